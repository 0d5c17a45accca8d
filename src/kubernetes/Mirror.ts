import { Effect } from "effect"
import { forEachInterleaved } from "../volume/Interleave.ts"
import { makeChangeLog } from "./ChangeLog.ts"
import { makeObjectTable } from "./ObjectTable.ts"
import type { KubeObject } from "./Resource.ts"

export interface MirrorOptions<A extends KubeObject> {
  /** The objects that are kept. */
  readonly concerns: (object: A) => boolean
  /** Texts to find an object by, beside its name. */
  readonly keysOf: (object: A) => ReadonlyArray<string>
}

/** Objects of one kind as they were told of, and what changed about them. */
export const makeMirror = Effect.fnUntraced(function*<A extends KubeObject>({ concerns, keysOf }: MirrorOptions<A>) {
  const objects = makeObjectTable(keysOf)
  const { changes, publish } = yield* makeChangeLog<A>()

  const put = (object: A) =>
    Effect.suspend(() => {
      const { name, resourceVersion } = object.metadata
      const before = objects.get(name)
      if (before?.metadata.resourceVersion === resourceVersion) return Effect.void
      if (!concerns(object)) return remove(name)
      objects.put(object)
      return publish({ _tag: "Put", object, before })
    })

  const remove = (name: string) =>
    Effect.suspend(() => {
      const object = objects.get(name)
      if (object === undefined) return Effect.void
      objects.remove(name)
      return publish({ _tag: "Removed", object })
    })

  return {
    objects,
    changes,
    put,
    remove,
    /** All there is now. */
    replace: Effect.fnUntraced(function*(all: ReadonlyArray<A>) {
      const names = new Set(all.map(({ metadata }) => metadata.name))
      const gone = objects.values().filter(({ metadata }) => !names.has(metadata.name))
      yield* forEachInterleaved(gone, ({ metadata }) => remove(metadata.name))
      yield* forEachInterleaved(all, put)
      yield* publish({ _tag: "Relisted" })
    })
  }
})
