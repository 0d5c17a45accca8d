import { DateTime } from "effect"
import { createHash } from "node:crypto"
import type { JsonObject } from "./KubeApi.ts"
import type { PersistentVolume } from "./Resources.ts"

/** What an event says. */
export interface Notice {
  readonly type: "Normal" | "Warning"
  readonly reason: string
  readonly message: string
}

/** Who says it. */
export interface EventSource {
  readonly component: string
  /** The node, for what happens on one. */
  readonly host?: string
}

/** The object that an event is about. */
export interface Subject {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string | undefined
}

/** The claim that one of these PersistentVolumes of a volume is bound to; undefined when none is. */
export const claimOf = (volumes: ReadonlyArray<PersistentVolume>): Subject | undefined =>
  volumes.flatMap(({ spec: { claimRef } }) =>
    claimRef?.namespace === undefined || claimRef.name === undefined
      ? []
      : [{
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        namespace: claimRef.namespace,
        name: claimRef.name,
        uid: claimRef.uid
      }]
  )[0]

/** A name for the event that is about all of these. */
export const eventName = (...about: ReadonlyArray<string | number>): string =>
  `rds-csi.${createHash("sha256").update(JSON.stringify(about)).digest("hex").slice(0, 32)}`

/** In the API's form of a Time, to the second. */
export const eventTime = (time: DateTime.Utc): string => `${DateTime.formatIso(time).slice(0, 19)}Z`

/** What people and tools see of a message; the rest would be cut by others. */
const maxMessageLength = 1024

/** The fields of an Event (Kubernetes API reference, core/v1) about an object, in the form that `kubectl describe` shows. */
export const eventFields = (
  { apiVersion, kind, name, namespace, uid }: Subject,
  { message, reason, type }: Notice,
  source: EventSource,
  { at, times }: { readonly times: number; readonly at: DateTime.Utc }
): JsonObject => ({
  involvedObject: {
    apiVersion,
    kind,
    namespace,
    name,
    ...(uid === undefined ? {} : { uid })
  },
  type,
  reason,
  message: message.slice(0, maxMessageLength),
  source: { ...source },
  firstTimestamp: eventTime(at),
  lastTimestamp: eventTime(at),
  count: times
})
