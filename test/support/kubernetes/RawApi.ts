import { NodeFileSystem } from "@effect/platform-node"
import { Data, Effect, Schema } from "effect"
import http from "node:http"
import https from "node:https"
import { makeClusterAccess } from "../../../src/kubernetes/ClusterAccess.ts"

class RawFailure extends Data.TaggedError("RawFailure")<{ readonly message: string }> {}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.JsonObject))

/**
 * Requests to the API server of a kubeconfig beside the driver's own client, for what others do in a cluster: making and
 * deleting objects, reporting status. Fails for any answer that is not a success.
 */
export const makeRawApi = Effect.fnUntraced(function*(kubeconfig: string) {
  const access = yield* makeClusterAccess({ _tag: "Kubeconfig", path: kubeconfig })
  return Effect.fnUntraced(function*(
    method: "POST" | "PATCH" | "DELETE" | "GET",
    path: string,
    body?: Schema.JsonObject
  ) {
    const { agent, headers } = yield* access.admission
    const text = yield* Effect.callback<string, RawFailure>((resume) => {
      const { request } = access.server.protocol === "https:" ? https : http
      const contentType = method === "PATCH" ? "application/merge-patch+json" : "application/json"
      const call = request(new URL(path, access.server), {
        agent,
        method,
        headers: { ...headers, ...(body === undefined ? {} : { "content-type": contentType }) }
      })
      call.on("error", ({ message }) => resume(Effect.fail(new RawFailure({ message }))))
      call.on("response", (reply) => {
        let text = ""
        reply.setEncoding("utf8").on("data", (part: string) => {
          text += part
        })
        reply.on("end", () =>
          resume(
            (reply.statusCode ?? 0) < 300
              ? Effect.succeed(text)
              : Effect.fail(new RawFailure({ message: `${method} ${path}: ${reply.statusCode} ${text}` }))
          ))
      })
      call.end(body === undefined ? undefined : JSON.stringify(body))
    })
    return yield* decode(text)
  })
}, Effect.provide(NodeFileSystem.layer))
