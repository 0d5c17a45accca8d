import { Effect, Layer, Option, Stream } from "effect"
import type { AttachmentState } from "../attachment/AttachmentState.ts"
import { AttachmentStore, type Change, type StoreVersion } from "../attachment/AttachmentStore.ts"
import { StoreOutcomeUnknown } from "../attachment/Errors.ts"
import { forEachInterleaved } from "../volume/Interleave.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { CacheChange } from "./ChangeLog.ts"
import { ClusterNodes } from "./ClusterNodes.ts"
import { ClusterView } from "./ClusterView.ts"
import { KubeApi } from "./KubeApi.ts"
import { namesake, observe, volumeIdOf } from "./ObservedAttachments.ts"
import {
  annotations,
  type Node,
  type PersistentVolume,
  persistentVolumes,
  type VolumeAttachment,
  volumeAttachments
} from "./Resources.ts"
import { orNotListed, unreadable, unwritten } from "./StoreFailures.ts"
import { makeVolumeLookup } from "./VolumeLookup.ts"
import { recordOf, recordPatch, versionOf, versionsIn } from "./VolumeRecord.ts"

/**
 * Keeps the record of a volume's attachments in an annotation of its PersistentVolume, which is found by its handle and
 * written with its resourceVersion as precondition. The orchestrator's own view is its VolumeAttachments and Nodes.
 */
export const kubernetesAttachmentStore = Layer.effect(
  AttachmentStore,
  Effect.gen(function*() {
    const { attachments: known, driver, volumes } = yield* ClusterView
    const api = yield* KubeApi
    const lookup = yield* makeVolumeLookup
    const nodes = yield* ClusterNodes
    const synced = orNotListed(Effect.andThen(volumes.synced, known.synced))

    const recorded = (found: ReadonlyArray<PersistentVolume>) =>
      found.length === 0 ? Option.none() : Option.some(recordOf(found))

    const list = Effect.gen(function*() {
      yield* synced
      const isListed = (volume: PersistentVolume) =>
        hasRecord(volume) || known.objects.having(volume.metadata.name).length > 0
      const ids = yield* forEachInterleaved(
        volumes.objects.values().filter(isListed),
        (volume) => Effect.sync(() => Option.toArray(volumeIdOf(volume)))
      )
      return yield* forEachInterleaved(
        new Set(ids.flat()),
        (volumeId) => Effect.sync(() => ({ volumeId, record: recordOf(lookup.known(volumeId)) }))
      )
    })

    const attachments = Effect.gen(function*() {
      yield* synced
      const { items } = yield* Effect.mapError(api.list(volumeAttachments), unreadable)
      const found = yield* forEachInterleaved(
        items.filter(({ spec }) => spec.attacher === driver),
        Effect.fnUntraced(function*(attachment) {
          const volume = yield* Effect.mapError(lookup.named(volumeNameIn(attachment)), unreadable)
          return observeAs(attachment, volume ?? namesake(attachment, volumes.objects.values()))
        })
      )
      return found.flat()
    })

    const attachmentsOf = Effect.fnUntraced(function*(volumeId: VolumeId) {
      yield* synced
      const mine = yield* Effect.mapError(lookup.peek(volumeId), unreadable)
      return known.objects.values().flatMap((attachment) => {
        const name = volumeNameIn(attachment)
        const isOrphan = volumes.objects.get(name) === undefined
        const volume = mine.find(({ metadata }) => metadata.name === name)
        return observeAs(attachment, volume ?? (isOrphan ? namesake(attachment, mine) : undefined))
      })
    })

    /** Nothing, if it is not known which volume it is about. */
    const observeAs = (attachment: VolumeAttachment, volume: PersistentVolume | undefined) =>
      volume === undefined ? [] : Option.toArray(observe(attachment, volume, nodes.idOf))

    return AttachmentStore.of({
      peek: (volumeId) => Effect.mapBoth(lookup.peek(volumeId), { onFailure: unreadable, onSuccess: recorded }),
      read: (volumeId) => Effect.mapBoth(lookup.read(volumeId), { onFailure: unreadable, onSuccess: recorded }),
      write: yield* makeWrite,
      list,
      attachments,
      attachmentsOf,
      nodeExists: (nodeId) => Effect.mapError(nodes.exists(nodeId), unreadable),
      changes: yield* makeChanges
    })
  })
)

const hasRecord = ({ metadata }: PersistentVolume) => metadata.annotations?.[annotations.attachments] !== undefined

/** Empty for an attachment of an inline volume, which this driver has none of. */
const volumeNameIn = ({ spec }: VolumeAttachment) => spec.source.persistentVolumeName ?? ""

/** Writes the oldest PersistentVolume first: whoever else writes meets its precondition. The others hold copies. */
const makeWrite = Effect.gen(function*() {
  const api = yield* KubeApi
  const { volumes } = yield* ClusterView

  const writeTo = ({ name, resourceVersion }: ReturnType<typeof versionsIn>[number], state: AttachmentState) =>
    api.patch(persistentVolumes, { name }, recordPatch(resourceVersion, state)).pipe(
      Effect.tap(volumes.learn),
      Effect.mapError(unwritten)
    )

  return Effect.fn("KubernetesAttachmentStore.write")(
    function*(_volumeId: VolumeId, expected: StoreVersion, state: AttachmentState) {
      const [first, ...copies] = versionsIn(expected)
      const written = yield* writeTo(first, state)
      const copied = yield* Effect.mapError(
        Effect.forEach(copies, (copy) => writeTo(copy, state)),
        () => new StoreOutcomeUnknown({ message: "not every PersistentVolume of the volume has got the record" })
      )
      return versionOf([written, ...copied])
    }
  )
})

const makeChanges = Effect.gen(function*() {
  const { nodes, volumes } = yield* ClusterView
  const { idOf } = yield* ClusterNodes

  const ofVolume = (change: CacheChange<PersistentVolume>): ReadonlyArray<Change> => {
    if (change._tag === "Relisted") return [change]
    const textOf = (volume: PersistentVolume | undefined) => volume?.metadata.annotations?.[annotations.attachments]
    if (change._tag === "Put" && textOf(change.object) === textOf(change.before)) return []
    return Option.toArray(volumeIdOf(change.object)).map((volumeId) => ({ _tag: "Record", volumeId }))
  }
  const ofNode = (change: CacheChange<Node>): ReadonlyArray<Change> => {
    if (change._tag === "Relisted") return [change]
    const hasGone = change._tag === "Removed" ||
      change.before !== undefined && isReady(change.before) && !isReady(change.object)
    return hasGone ? [{ _tag: "Node", nodeId: idOf(change.object.metadata.name) }] : []
  }
  return Stream.merge(
    Stream.flatMap(volumes.changes, (change) => Stream.fromIterable(ofVolume(change))),
    Stream.flatMap(nodes.changes, (change) => Stream.fromIterable(ofNode(change)))
  )
})

const isReady = ({ status }: Node) =>
  (status?.conditions ?? []).some(({ status, type }) => type === "Ready" && status === "True")
