import { Result, Schema } from "effect"

/** An object with at least a name, an identity and a version. */
export interface KubeObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string }
}

/** One object. The namespace is absent for kinds that belong to the whole cluster. */
export interface ObjectRef {
  readonly name: string
  readonly namespace?: string
}

/** One page of a list (Kubernetes API concepts, Retrieving large results sets in chunks). */
export interface Page<out A> {
  readonly items: ReadonlyArray<A>
  readonly resourceVersion: string
  /** Asks for the next page; absent on the last one. */
  readonly next: string | undefined
}

/** What happened to one object, or that nothing did. `resourceVersion` is where the next watch goes on. */
export type WatchEvent<A> =
  | { readonly _tag: "Put"; readonly object: A; readonly resourceVersion: string }
  | { readonly _tag: "Removed"; readonly object: A; readonly resourceVersion: string }
  | { readonly _tag: "Bookmark"; readonly resourceVersion: string }

/** How the API server ends a watch that it cannot go on with; `code` as in HTTP. */
export interface WatchFailure {
  readonly _tag: "Failure"
  readonly code: number
  readonly message: string
}

/** Fails with the reason. */
type Read<I, A> = (input: I) => Result.Result<A, string>

/** Reads JSON text. */
type Parse<A> = Read<string, A>

/** A kind of object: where the API serves it, and how to read of it what the driver uses. Everything else is dropped. */
export interface Resource<out A extends KubeObject> {
  readonly kind: string
  /** As the objects carry it, e.g. `storage.k8s.io/v1`. */
  readonly apiVersion: string
  /** As in URLs, e.g. `volumeattachments`. */
  readonly plural: string
  readonly parseObject: Parse<A>
  /** Leaves the items for `readItem`, one by one: a page of them takes a while. */
  readonly parsePage: Parse<Page<unknown>>
  readonly readItem: Read<unknown, A>
  readonly parseWatchLine: Parse<WatchEvent<A> | WatchFailure>
}

/** The objects of a resource. */
export type ObjectOf<R> = R extends Resource<infer A> ? A : never

export const resource = <A extends KubeObject>(
  { schema, ...names }: Pick<Resource<A>, "kind" | "apiVersion" | "plural"> & {
    readonly schema: Schema.Codec<A, unknown>
  }
): Resource<A> => {
  const parsePage = parser(pageOfAny)
  const parseLine = parser(watchLineOf(schema))
  return {
    ...names,
    parseObject: parser(schema),
    readItem: reader(schema),
    parsePage: (text) =>
      Result.map(parsePage(text), ({ items, metadata }) => ({
        items: items ?? [],
        resourceVersion: metadata.resourceVersion,
        next: metadata.continue === "" ? undefined : metadata.continue
      })),
    parseWatchLine: (text) => Result.map(parseLine(text), eventOf)
  }
}

const reader = <A>(schema: Schema.Codec<A, unknown>): Read<unknown, A> => {
  const decode = Schema.decodeUnknownResult(schema, { errors: "first" })
  return (input) => Result.mapError(decode(input), ({ message }) => message.replace(/\s+/g, " "))
}

const parser = <A>(schema: Schema.Codec<A, unknown>): Parse<A> => reader(Schema.fromJsonString(schema))

const pageOfAny = Schema.Struct({
  metadata: Schema.Struct({ resourceVersion: Schema.String, continue: Schema.optionalKey(Schema.String) }),
  items: Schema.NullOr(Schema.Array(Schema.Unknown))
})

const bookmark = Schema.Struct({ metadata: Schema.Struct({ resourceVersion: Schema.String }) })
const status = Schema.Struct({ code: Schema.Finite, message: Schema.optionalKey(Schema.String) })

/** Kubernetes API reference, WatchEvent. */
const watchLineOf = <A>(object: Schema.Codec<A, unknown>) =>
  Schema.Union([
    Schema.Struct({ type: Schema.Literals(["ADDED", "MODIFIED", "DELETED"]), object }),
    Schema.Struct({ type: Schema.Literal("BOOKMARK"), object: bookmark }),
    Schema.Struct({ type: Schema.Literal("ERROR"), object: status })
  ])

const eventOf = <A extends KubeObject>(
  line: ReturnType<typeof watchLineOf<A>>["Type"]
): WatchEvent<A> | WatchFailure => {
  switch (line.type) {
    case "BOOKMARK":
      return { _tag: "Bookmark", resourceVersion: line.object.metadata.resourceVersion }
    case "ERROR":
      return { _tag: "Failure", code: line.object.code, message: line.object.message ?? "" }
    default:
      return {
        _tag: line.type === "DELETED" ? "Removed" : "Put",
        object: line.object,
        resourceVersion: line.object.metadata.resourceVersion
      }
  }
}

/** The path under which the API serves the collection: all of it, or the part in one namespace. */
export const collectionPath = (
  { apiVersion, plural }: Pick<Resource<KubeObject>, "apiVersion" | "plural">,
  namespace?: string
): string => {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${group}${namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`}/${plural}`
}
