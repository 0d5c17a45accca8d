import type { Deferred, Effect } from "effect"

/** The far end of an SSH connection that has logged in. */
export interface Client {
  /** 1, 2, … in order of connection. */
  readonly connection: number
  readonly user: string
  readonly address: string
  /** Columns asked for with the login name, as in `csi+ct120w`. */
  readonly width: number | undefined
  /** Done when the connection is closed, by whomever. */
  readonly closed: Deferred.Deferred<void>
  /** Resets the TCP connection. */
  readonly drop: Effect.Effect<void>
}

/** Columns at which the device wraps when no terminal said otherwise. */
export const defaultWidth = 80
