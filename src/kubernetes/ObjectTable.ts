import type { KubeObject } from "./Resource.ts"

/** Objects by name, and by other texts that lead to them. */
export interface ObjectTable<A extends KubeObject> {
  readonly get: (name: string) => A | undefined
  /** Those whose `keysOf` contains `key`, in no particular order. */
  readonly having: (key: string) => ReadonlyArray<A>
  readonly values: () => ReadonlyArray<A>
  readonly size: () => number
  readonly put: (object: A) => void
  readonly remove: (name: string) => void
}

export const makeObjectTable = <A extends KubeObject>(keysOf: (object: A) => ReadonlyArray<string>): ObjectTable<A> => {
  const objects = new Map<string, A>()
  const names = new Map<string, Set<string>>()

  const remove = (name: string) => {
    const object = objects.get(name)
    if (object === undefined) return
    objects.delete(name)
    for (const key of keysOf(object)) {
      const having = names.get(key)
      having?.delete(name)
      if (having?.size === 0) names.delete(key)
    }
  }

  return {
    get: (name) => objects.get(name),
    having: (key) => [...names.get(key) ?? []].flatMap((name) => objects.get(name) ?? []),
    values: () => [...objects.values()],
    size: () => objects.size,
    put: (object) => {
      const { name } = object.metadata
      remove(name)
      objects.set(name, object)
      for (const key of keysOf(object)) {
        const having = names.get(key)
        if (having === undefined) names.set(key, new Set([name]))
        else having.add(name)
      }
    },
    remove
  }
}
