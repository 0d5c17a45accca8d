import { Effect, Option, Result } from "effect"
import { Mounter, sameDevice } from "../../mount/Mounter.ts"
import type { Publication, StageRecord } from "../../mount/StageRecord.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import type { AccessMode } from "../../volume/AccessMode.ts"
import { Nqn } from "../../volume/Nqn.ts"
import { decode } from "../../volume/VolumeContext.ts"
import { VolumeIncompatible } from "../Errors.ts"
import type { NodePublishVolumeRequest } from "../gen/csi_pb.ts"
import { absolutePath, capability, existingVolumeId, required } from "../Requests.ts"
import type { NodeConfig } from "./Config.ts"
import { clearedStaging, mountFilesystem, type WantedFilesystem } from "./Filesystem.ts"
import { countedMount, examine } from "./Mounts.ts"
import { exclusively, protectDevice, recordOf, refuse, usageOf, type WantedVolume } from "./Volume.ts"
import { VolumeWatch } from "./watch/VolumeWatch.ts"

/** A staged volume, as one call wants it at a target. */
interface Wanted {
  readonly volume: WantedVolume
  readonly target: Publication
  readonly accessMode: AccessMode
  readonly device: NvmeDevice
  readonly record: Option.Option<StageRecord>
}

/**
 * CSI spec, NodePublishVolume: a bind mount of the staged file system, or a block special file of the volume's device, at
 * the target. Repeated calls change nothing. Modes for a single writer or reader on the node allow one target only (CSI
 * spec, table of second calls).
 */
export const publishVolume = (config: NodeConfig) =>
  Effect.fnUntraced(function*(request: NodePublishVolumeRequest) {
    const volumeId = yield* required("volume_id", request.volumeId)
    const targetPath = yield* absolutePath("target_path", request.targetPath)
    const wanted = yield* capability(request.volumeCapability)
    const { usage, readOnly } = yield* Effect.fromResult(usageOf(wanted, request.publishContext))
    const id = yield* existingVolumeId(volumeId)
    const stagingPath = request.stagingTargetPath
    if (stagingPath === "") return yield* refuse(config, id, "needs staging_target_path: stage it first")
    const context = Result.getOrUndefined(decode(request.volumeContext, id))
    const connection = context && { address: context.address, port: context.port, tuning: context.tuning }
    const volume = { id, nqn: Nqn.ofVolume(id), stagingPath, usage, readOnly, ...(connection && { connection }) }
    const target = { targetPath, readOnly: readOnly || request.readonly }
    yield* exclusively(config, id)(publish(config, volume, target, wanted.accessMode))
    return {}
  })

const publish = Effect.fnUntraced(function*(
  config: NodeConfig,
  volume: WantedVolume,
  target: Publication,
  accessMode: AccessMode
) {
  const fabric = yield* NvmeFabric
  const records = yield* StageRecords
  const device = yield* fabric.device(volume.nqn)
  if (Option.isNone(device)) return yield* refuse(config, volume.id, "is not connected; stage it first")
  const record = yield* records.get(volume.id)
  const wanted = { volume, target, accessMode, device: device.value, record }
  const { usage } = volume
  yield* usage._tag === "Block"
    ? publishBlock(config, wanted)
    : publishFilesystem(config, wanted, { ...volume, usage })
})

const publishFilesystem = Effect.fnUntraced(function*(config: NodeConfig, wanted: Wanted, volume: WantedFilesystem) {
  const mounter = yield* Mounter
  const { target: { targetPath, readOnly }, device } = wanted
  yield* ensureStaged(config, wanted, volume)
  const state = yield* examine(targetPath, volume.nqn, Option.some(device))
  switch (state._tag) {
    case "Current":
      if (state.entry.readOnly === readOnly) return
      if (!isUnfinished(wanted)) return yield* publishedOtherwise(config, wanted)
      yield* countedMount("unmount")(mounter.unmount(targetPath))
      return yield* bindTarget(wanted)
    case "Foreign":
      return yield* publishedOtherwise(config, wanted)
    case "Stale": {
      const problem = `was lost and came back as another device; delete the pod that has it at ${targetPath}`
      return yield* refuse(config, volume.id, problem)
    }
    case "Nothing": {
      if (Option.isSome(yield* mounter.blockNode(targetPath))) return yield* publishedOtherwise(config, wanted)
      yield* checkOtherTargets(config, wanted)
      return yield* bindTarget(wanted)
    }
  }
})

const bindTarget = Effect.fnUntraced(function*(wanted: Wanted) {
  const mounter = yield* Mounter
  const { target: { targetPath, readOnly }, volume: { stagingPath } } = wanted
  const bind = countedMount("bind")(mounter.bind({ source: stagingPath, target: targetPath, readOnly }))
  return yield* recordTarget(wanted).pipe(Effect.andThen(bind), Effect.uninterruptible)
})

/**
 * Whether a writable bind mount is what a crash left of a read-only one: the kernel makes one in two steps (mount(2),
 * "Creating a bind mount"), and no call has succeeded before the second.
 */
const isUnfinished = ({ record, target }: Wanted) =>
  target.readOnly && Option.exists(
    record,
    ({ publications }) => publications.some(({ readOnly, targetPath }) => readOnly && targetPath === target.targetPath)
  )

/**
 * Makes sure that the staging path has the volume's present device. A volume that was staged there and is not mounted any
 * more, or is from a lost device that nobody uses, is mounted afresh.
 */
const ensureStaged = Effect.fnUntraced(function*(
  config: NodeConfig,
  { device, record }: Wanted,
  volume: WantedFilesystem
) {
  const { id, nqn, stagingPath } = volume
  const before = yield* examine(stagingPath, nqn, Option.some(device))
  const wasStaged = Option.exists(
    record,
    (found) => found.mode._tag === "Filesystem" && found.stagingPath === stagingPath
  )
  if (before._tag === "Nothing" && !wasStaged) {
    return yield* refuse(config, id, `is not mounted at ${stagingPath}; stage it first`)
  }
  const state = yield* clearedStaging(config, volume, Option.some(device))
  if (state._tag === "Nothing") yield* mountFilesystem(config, volume, device, record)
})

const publishBlock = Effect.fnUntraced(function*(config: NodeConfig, wanted: Wanted) {
  const mounter = yield* Mounter
  const { volume, target: { targetPath, readOnly }, device, record } = wanted
  const hasFilesystem = (yield* mounter.mountsOf(device)).length > 0 ||
    Option.exists(record, ({ mode }) => mode._tag === "Filesystem")
  if (hasFilesystem) {
    return yield* refuse(config, volume.id, "is staged as a file system and cannot be published as a block volume")
  }
  if (Option.exists(record, (staged) => staged.readOnly !== volume.readOnly)) {
    const staged = volume.readOnly ? "writable" : "read-only"
    const problem = `is staged ${staged} and cannot be published otherwise; unstage it first`
    return yield* refuse(config, volume.id, problem)
  }
  if ((yield* mounter.mountsAt(targetPath)).length > 0) return yield* publishedOtherwise(config, wanted)
  yield* protectDevice(volume, device)
  const node = Option.filter(yield* mounter.blockNode(targetPath), (found) => sameDevice(found, device))
  if (Option.isSome(node)) {
    return node.value.readOnly === readOnly ? undefined : yield* publishedOtherwise(config, wanted)
  }
  yield* checkOtherTargets(config, wanted)
  const make = mounter.makeBlockNode({ target: targetPath, device, readOnly })
  yield* recordTarget(wanted).pipe(Effect.andThen(make), Effect.uninterruptible)
})

const publishedOtherwise = (config: NodeConfig, { volume, target }: Wanted) =>
  new VolumeIncompatible({
    message:
      `volume ${volume.id} cannot be published at ${target.targetPath} on node ${config.nodeId} as asked for: it ` +
      "is in use there in another way. Unpublish that first"
  })

const sharedModes: ReadonlyArray<AccessMode> = ["SINGLE_NODE_MULTI_WRITER", "MULTI_NODE_MULTI_WRITER"]

/** Modes for one writer or reader on the node are refused while the volume is at another target. */
const checkOtherTargets = Effect.fnUntraced(function*(config: NodeConfig, wanted: Wanted) {
  const { volume, accessMode } = wanted
  if (sharedModes.includes(accessMode)) return
  const [other] = yield* otherTargets(wanted)
  if (other !== undefined) {
    return yield* refuse(
      config,
      volume.id,
      `is published at ${other} already, and ${accessMode} allows one target only`
    )
  }
})

/** Where else the volume is published now. A recorded target counts if it still shows the volume's device. */
const otherTargets = Effect.fnUntraced(function*({ volume, target, device, record }: Wanted) {
  const mounter = yield* Mounter
  const mounted = (yield* mounter.mountsOf(device)).map(({ path }) => path)
  const recorded = Option.match(record, { onNone: () => [], onSome: ({ publications }) => publications })
  const nodes = yield* Effect.filter(
    recorded,
    ({ targetPath }) => Effect.map(mounter.blockNode(targetPath), Option.exists((node) => sameDevice(node, device)))
  )
  return [...mounted, ...nodes.map(({ targetPath }) => targetPath)].filter((path) =>
    path !== volume.stagingPath && path !== target.targetPath
  )
})

/** Adds the target to the volume's record, which is made up from what is there if it was lost, and has the volume watched. */
const recordTarget = Effect.fnUntraced(function*({ volume, target, device }: Wanted) {
  const records = yield* StageRecords
  const record = yield* records.get(volume.id)
  const base = Option.isSome(record) ? record.value : recordOf(volume, device, yield* uuidOf(volume, device), record)
  const others = base.publications.filter(({ targetPath }) => targetPath !== target.targetPath)
  const published = { ...base, publications: [...others, target] }
  yield* records.put(published)
  yield* VolumeWatch.use((watch) => watch.started(published))
})

const uuidOf = Effect.fnUntraced(function*({ usage }: WantedVolume, device: NvmeDevice) {
  if (usage._tag === "Block") return ""
  const mounter = yield* Mounter
  const content = yield* mounter.probe(device)
  return content._tag === "Formatted" ? content.uuid : ""
})
