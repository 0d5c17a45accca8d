import { Option, Result, Schema } from "effect"
import type { Target } from "./Kinds.ts"
import type { ObjectKey, ObjectStore, Refusal } from "./ObjectStore.ts"
import { part } from "./ObjectStore.ts"

type JsonObject = Schema.JsonObject

/** A finished answer: HTTP status and body. */
export interface Answer {
  readonly code: number
  readonly body: Schema.Json
}

export const refusal = ({ code, message, reason }: Refusal): Answer => ({
  code,
  body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code }
})

const badRequest = (message: string) => refusal({ code: 400, reason: "BadRequest", message })
const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.JsonObject))

const keyOf = ({ kind, namespace = "", name = "" }: Target): ObjectKey => ({ kind, namespace, name })

/** Lists that have been read in part: what is left of the snapshot, by continue token. */
interface Unread {
  readonly items: ReadonlyArray<JsonObject>
  readonly revision: number
}

const field = (object: JsonObject, path: string): string => {
  const [head = "", key = ""] = path.split(".")
  const value = part(object, head)[key]
  return typeof value === "string" ? value : ""
}

/** Answers every request but watches from the objects in `store`. */
export const makeAnswers = (store: ObjectStore) => {
  const unread = new Map<string, Unread>()
  let tokens = 0

  const page = ({ items, revision }: Unread, limit: number): Answer => {
    const rest = limit > 0 ? items.slice(limit) : []
    let token = ""
    if (rest.length > 0) {
      token = `t${++tokens}`
      unread.set(token, { items: rest, revision })
    }
    return {
      code: 200,
      body: {
        kind: "List",
        apiVersion: "v1",
        metadata: { resourceVersion: String(revision), ...(token === "" ? {} : { continue: token }) },
        items: limit > 0 ? items.slice(0, limit) : items
      }
    }
  }

  const list = ({ kind, namespace }: Target, query: URLSearchParams): Answer => {
    const limit = Number(query.get("limit") ?? 0)
    const token = query.get("continue") ?? ""
    if (token !== "") {
      const left = unread.get(token)
      unread.delete(token)
      if (left !== undefined && left.revision >= store.compactedAt()) return page(left, limit)
      return refusal({ code: 410, reason: "Expired", message: "The provided continue parameter is too old" })
    }
    if (query.has("labelSelector")) return badRequest("label selectors are not served")
    const [path = "", value] = (query.get("fieldSelector") ?? "").split("=")
    const items = store.list(kind, namespace)
      .filter((object) => value === undefined || field(object, path) === value)
    return page({ items, revision: store.revision() }, limit)
  }

  const create = (target: Target, text: string): Answer => {
    const object = Option.getOrUndefined(parse(text))
    if (object === undefined) return badRequest("the body is not a JSON object")
    const { name, namespace } = part(object, "metadata")
    if (typeof name !== "string") return badRequest("metadata.name is required")
    if (object.kind !== target.kind.kind || object.apiVersion !== target.kind.apiVersion) {
      return badRequest("kind and apiVersion must be those of the URL")
    }
    if (target.kind.namespaced !== (target.namespace !== undefined) || (namespace ?? "") !== (target.namespace ?? "")) {
      return badRequest("metadata.namespace must be that of the URL")
    }
    const { status: _, ...withoutStatus } = object
    return answerOf(
      store.create({ ...keyOf(target), name }, target.kind.statusApart ? withoutStatus : object),
      201
    )
  }

  const replace = (target: Target, text: string): Answer => {
    const object = Option.getOrUndefined(parse(text))
    return object === undefined
      ? badRequest("the body is not a JSON object")
      : answerOf(store.replace(keyOf(target), object), 200)
  }

  const patch = (target: Target, contentType: string, text: string): Answer => {
    if (contentType !== "application/merge-patch+json") {
      return refusal({ code: 415, reason: "UnsupportedMediaType", message: `${contentType} is not served` })
    }
    const change = Option.getOrUndefined(parse(text))
    return change === undefined
      ? badRequest("the patch is not a JSON object")
      : answerOf(store.patch(keyOf(target), change, target.status), 200)
  }

  return {
    list,
    create,
    patch,
    replace,
    get: (target: Target) => answerOf(store.get(keyOf(target)), 200),
    remove: (target: Target) => answerOf(store.remove(keyOf(target)), 200)
  }
}

const answerOf = (result: Result.Result<JsonObject, Refusal>, code: number): Answer =>
  Result.match(result, { onFailure: refusal, onSuccess: (body) => ({ code, body }) })
