import type { Value } from "./Value.ts"

/** What one login remembers between lines: the current menu of the prompt, and the items that `print` numbered. */
export interface Session {
  /** Absolute path, "/" for the root. */
  menu: string
  /** Ids by item number, per menu path. The device numbers items only when it prints them. */
  readonly printed: Map<string, ReadonlyArray<Value>>
}

/** A new login, in the root menu with nothing printed. */
export const makeSession = (): Session => ({ menu: "/", printed: new Map() })
