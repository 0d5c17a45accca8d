import { Result, type Schema } from "effect"
import type { Kind } from "./Kinds.ts"
import { isJsonObject, mergePatch } from "./MergePatch.ts"

type JsonObject = Schema.JsonObject

/** The API server's refusal (Kubernetes API reference, Status). */
export interface Refusal {
  readonly code: number
  readonly reason: string
  readonly message: string
}

export interface ObjectKey {
  readonly kind: Kind
  readonly name: string
  /** Empty for kinds without namespaces. */
  readonly namespace: string
}

/** What happened to an object, as watches tell it. */
export interface StoredEvent {
  readonly revision: number
  readonly type: "ADDED" | "MODIFIED" | "DELETED"
  readonly key: ObjectKey
  readonly object: JsonObject
}

/** The part of the object, empty when there is none. */
export const part = (object: JsonObject, key: string): JsonObject => {
  const value = object[key]
  return isJsonObject(value) ? value : {}
}

/** The text at the key, empty when there is none. */
export const text = (object: JsonObject, key: string): string => {
  const value = object[key]
  return typeof value === "string" ? value : ""
}

const refuse = (code: number, reason: string, message: string) => Result.fail<Refusal>({ code, reason, message })
const conflict = (key: ObjectKey) =>
  refuse(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${
      titleOf(key)
    }: the object has been modified; please apply your changes to the ` +
      "latest version and try again"
  )
const titleOf = ({ kind, name }: ObjectKey) => `${kind.plural} "${name}"`
const pathOf = ({ kind, name, namespace }: ObjectKey) => `${kind.plural}/${namespace}/${name}`

const withStatusOf = (before: JsonObject, { status: _, ...after }: JsonObject): JsonObject =>
  before.status === undefined ? after : { ...after, status: before.status }

/**
 * Objects with one revision counter for all, as etcd keeps them behind a Kubernetes API server: optimistic concurrency
 * through metadata.resourceVersion, deletion that waits for finalizers, and a history that watches read.
 *
 * `now` is the current instant in RFC 3339.
 */
export const makeObjectStore = (now: () => string) => {
  const objects = new Map<string, { readonly key: ObjectKey; readonly object: JsonObject }>()
  const listeners = new Set<(event: StoredEvent) => void>()
  let history: Array<StoredEvent> = []
  let compacted = 0
  let revision = 1
  let born = 0

  const commit = (type: StoredEvent["type"], key: ObjectKey, object: JsonObject): JsonObject => {
    revision++
    const stored = { ...object, metadata: { ...part(object, "metadata"), resourceVersion: String(revision) } }
    if (type === "DELETED") objects.delete(pathOf(key))
    else objects.set(pathOf(key), { key, object: stored })
    const event: StoredEvent = { revision, type, key, object: stored }
    history.push(event)
    for (const listener of listeners) listener(event)
    return stored
  }

  const get = (key: ObjectKey): Result.Result<JsonObject, Refusal> => {
    const found = objects.get(pathOf(key))
    return found === undefined ? refuse(404, "NotFound", `${titleOf(key)} not found`) : Result.succeed(found.object)
  }

  const create = (key: ObjectKey, object: JsonObject): Result.Result<JsonObject, Refusal> => {
    if (objects.has(pathOf(key))) return refuse(409, "AlreadyExists", `${titleOf(key)} already exists`)
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(key.name)) {
      return refuse(422, "Invalid", `${titleOf(key)} is invalid: metadata.name: must be a lowercase RFC 1123 subdomain`)
    }
    born++
    const metadata = {
      creationTimestamp: now(),
      ...part(object, "metadata"),
      name: key.name,
      ...(key.kind.namespaced ? { namespace: key.namespace } : {}),
      uid: `00000000-0000-4000-8000-${born.toString(16).padStart(12, "0")}`
    }
    return Result.succeed(
      commit("ADDED", key, { ...object, apiVersion: key.kind.apiVersion, kind: key.kind.kind, metadata })
    )
  }

  /** Ends an object that only waited for its last finalizer; writes nothing when nothing changes. */
  const settle = (key: ObjectKey, before: JsonObject, after: JsonObject): JsonObject => {
    const { deletionTimestamp, finalizers } = part(after, "metadata")
    const held = Array.isArray(finalizers) && finalizers.length > 0
    if (deletionTimestamp !== undefined && !held) return commit("DELETED", key, after)
    return JSON.stringify(before) === JSON.stringify(after) ? before : commit("MODIFIED", key, after)
  }

  const patch = (key: ObjectKey, change: JsonObject, status: boolean | "both"): Result.Result<JsonObject, Refusal> =>
    Result.flatMap(get(key), (before) => {
      const { resourceVersion: expected, uid } = part(change, "metadata")
      const { resourceVersion } = part(before, "metadata")
      if (
        expected !== undefined && expected !== resourceVersion ||
        uid !== undefined && uid !== part(before, "metadata").uid
      ) {
        return conflict(key)
      }
      const merged = mergePatch(before, change)
      const kept = status === "both" || !key.kind.statusApart ? merged : status
        ? { ...before, metadata: part(merged, "metadata"), status: part(merged, "status") }
        : withStatusOf(before, merged)
      return Result.succeed(settle(key, before, kept))
    })

  /** An update: everything but the status is replaced; it must say which version it is based on. */
  const replace = (key: ObjectKey, object: JsonObject): Result.Result<JsonObject, Refusal> =>
    Result.flatMap(get(key), (before) => {
      const own = part(before, "metadata")
      const given = part(object, "metadata")
      if (given["resourceVersion"] === undefined) {
        return refuse(
          422,
          "Invalid",
          `${titleOf(key)} is invalid: metadata.resourceVersion: must be specified for an update`
        )
      }
      if (given["resourceVersion"] !== own["resourceVersion"]) return conflict(key)
      const { creationTimestamp = "", deletionTimestamp, uid = "" } = own
      const kept = { creationTimestamp, uid, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) }
      const after = { ...object, metadata: { ...given, ...kept } }
      return Result.succeed(settle(key, before, key.kind.statusApart ? withStatusOf(before, after) : after))
    })

  const remove = (key: ObjectKey): Result.Result<JsonObject, Refusal> =>
    Result.map(get(key), (before) => {
      const { deletionTimestamp = now() } = part(before, "metadata")
      return settle(key, before, { ...before, metadata: { ...part(before, "metadata"), deletionTimestamp } })
    })

  return {
    revision: () => revision,
    get,
    create,
    /** JSON merge patch of everything but the status (false), of the status (true), or of `both` as only tests may. */
    patch,
    replace,
    remove,
    /** In the order of their names. `namespace` undefined: of all. */
    list: (kind: Kind, namespace?: string): ReadonlyArray<JsonObject> =>
      [...objects.values()]
        .filter(({ key }) => key.kind === kind && (namespace === undefined || key.namespace === namespace))
        .sort((a, b) => pathOf(a.key) < pathOf(b.key) ? -1 : 1)
        .map(({ object }) => object),
    /** What happened after `from`; undefined when that was forgotten. */
    since: (from: number): ReadonlyArray<StoredEvent> | undefined =>
      from < compacted ? undefined : history.filter((event) => event.revision > from),
    /** Forgets the history: watches that have to look back, and lists that are half read, are told 410. */
    compact: () => {
      compacted = revision
      history = []
    },
    compactedAt: () => compacted,
    listen: (listener: (event: StoredEvent) => void) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
  }
}

export type ObjectStore = ReturnType<typeof makeObjectStore>
