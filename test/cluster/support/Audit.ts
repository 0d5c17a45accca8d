import { Effect, FileSystem, Schema } from "effect"

const Entry = Schema.fromJsonString(Schema.Struct({
  verb: Schema.String,
  user: Schema.Struct({ username: Schema.String }),
  objectRef: Schema.optionalKey(Schema.Struct({
    apiGroup: Schema.optionalKey(Schema.String),
    resource: Schema.optionalKey(Schema.String),
    subresource: Schema.optionalKey(Schema.String),
    namespace: Schema.optionalKey(Schema.String)
  })),
  annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}))

/** A verb on a kind of object, as in the rules of a role: `patch volumeattachments/status.storage.k8s.io`. */
export const permission = (verb: string, resource: string, apiGroup = "") =>
  `${verb} ${resource}${apiGroup === "" ? "" : `.${apiGroup}`}`

export interface Request {
  /** Of the driver's namespace. */
  readonly account: string
  readonly permission: string
  readonly allowed: boolean
}

/** What the service accounts of the driver's namespace have asked of the API server. */
export const auditedRequests = Effect.fnUntraced(function*(directory: string) {
  const files = yield* FileSystem.FileSystem
  const lines = (yield* files.readFileString(`${directory}/audit.log`)).split("\n").slice(0, -1)
  const entries = yield* Effect.forEach(lines, (line) => Schema.decodeEffect(Entry)(line))
  return entries.flatMap(({ annotations, objectRef, user, verb }): ReadonlyArray<Request> => {
    if (objectRef?.resource === undefined) return []
    const { apiGroup, resource, subresource } = objectRef
    return [{
      account: user.username.split(":").at(-1) ?? "",
      permission: permission(verb, subresource === undefined ? resource : `${resource}/${subresource}`, apiGroup),
      allowed: annotations?.["authorization.k8s.io/decision"] !== "forbid"
    }]
  })
})
