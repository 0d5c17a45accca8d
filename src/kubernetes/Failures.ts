import { Option, Schema } from "effect"
import {
  KubeConflict,
  KubeForbidden,
  KubeGone,
  KubeNotFound,
  KubeOutcomeUnknown,
  type KubeReadError,
  KubeRefused,
  KubeUnavailable,
  type KubeWriteError
} from "./Errors.ts"
import type { HttpReply } from "./HttpTransport.ts"

/** What the API server says beside the HTTP status (Kubernetes API reference, Status). */
const decodeStatus = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ message: Schema.String })))

/** `what`, e.g. `get Node worker-1`, and how it ended. */
const describe = (what: string, { status, text }: HttpReply) => {
  const said = Option.match(decodeStatus(text), { onNone: () => "", onSome: ({ message }) => `: ${message}` })
  return `${what}: the API server answered ${status}${said}`
}

/** The error that a call which only reads ends with for an answer other than 200. */
export const readFailure = (what: string, reply: HttpReply): KubeReadError => {
  const message = describe(what, reply)
  switch (reply.status) {
    case 401:
    case 403:
      return new KubeForbidden({ message })
    case 404:
      return new KubeNotFound({ message })
    case 410:
      return new KubeGone({ message })
    default:
      return mayPass(reply.status) ? new KubeUnavailable({ message }) : new KubeRefused({ message })
  }
}

/** The same for a call that changes something. A server error says nothing about whether the change was made. */
export const writeFailure = (what: string, reply: HttpReply): KubeWriteError => {
  if (reply.status === 409) return new KubeConflict({ message: describe(what, reply) })
  if (reply.status >= 500 || reply.status < 400) return new KubeOutcomeUnknown({ message: describe(what, reply) })
  return readFailure(what, reply)
}

/** Anything but a refusal of this very call: server errors, too many requests, and what no API server answers. */
const mayPass = (status: number) => status >= 500 || status === 429 || status === 408 || status < 400
