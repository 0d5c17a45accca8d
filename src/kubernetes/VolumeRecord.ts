import { Array as Arr, DateTime, Option, Result, String } from "effect"
import { type AttachmentState, decodeState, encodeState } from "../attachment/AttachmentState.ts"
import { type AttachmentRecord, StoreVersion } from "../attachment/AttachmentStore.ts"
import type { JsonObject } from "./KubeApi.ts"
import { annotations, microTime, type PersistentVolume } from "./Resources.ts"

/** PersistentVolumes in the order in which they are written, the same on every replica: the oldest one decides. */
export const inOrder = (volumes: ReadonlyArray<PersistentVolume>): ReadonlyArray<PersistentVolume> =>
  volumes.toSorted(({ metadata: a }, { metadata: b }) =>
    a.creationTimestamp - b.creationTimestamp || (a.name < b.name ? -1 : 1)
  )

/**
 * The record that these PersistentVolumes of one volume keep. Normally there is one. Where several have the same handle, as
 * after a Retain volume was imported a second time, each keeps a copy, and the latest copy counts; one that is unreadable
 * makes the whole record unreadable.
 */
export const recordOf = (volumes: ReadonlyArray<PersistentVolume>): AttachmentRecord => {
  const version = versionOf(volumes)
  let latest: AttachmentState | undefined
  for (const volume of volumes) {
    const state = stateIn(volume)
    if (state === undefined) continue
    if (Result.isFailure(state)) return { _tag: "Unreadable", version, reason: state.failure }
    if (latest === undefined || state.success.revision > latest.revision) latest = state.success
  }
  return latest === undefined ? { _tag: "Unrecorded", version } : { _tag: "Recorded", version, state: latest }
}

/** Decoded states, for as long as their objects live: what is looked at most is what has not changed. */
const decoded = new WeakMap<PersistentVolume, Result.Result<AttachmentState, string>>()

const stateIn = (volume: PersistentVolume): Result.Result<AttachmentState, string> | undefined => {
  const text = volume.metadata.annotations?.[annotations.attachments]
  if (text === undefined) return undefined
  const state = decoded.get(volume) ?? decodeState(text)
  decoded.set(volume, state)
  return state
}

/** Name and resourceVersion of each PersistentVolume, in the order in which they are written. */
export const versionOf = (volumes: ReadonlyArray<PersistentVolume>): StoreVersion =>
  StoreVersion.make(volumes.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).join(" "))

/** The inverse of {@link versionOf}. Neither names nor resourceVersions hold blanks or `@`. */
export const versionsIn = (version: StoreVersion) =>
  Arr.map(String.split(version, " "), (text) => {
    const [name = "", resourceVersion = ""] = text.split("@")
    return { name, resourceVersion }
  })

/**
 * The merge patch that records the state, if the PersistentVolume still has this resourceVersion. The Go driver's
 * annotations are kept up for people who look at them: the first holder, and since when.
 */
export const recordPatch = (resourceVersion: string, state: AttachmentState): JsonObject => {
  const [first] = state.holders
  return {
    metadata: {
      resourceVersion,
      annotations: {
        [annotations.attachments]: encodeState(state),
        [annotations.attachedNode]: first?.nodeId ?? null,
        [annotations.attachedAt]: first === undefined
          ? null
          : Option.getOrNull(Option.map(DateTime.make(first.since), microTime))
      }
    }
  }
}
