import { Effect, Option, Result } from "effect"
import { Mounter } from "../../mount/Mounter.ts"
import { mountFlags } from "../../mount/MountFlags.ts"
import type { RecordedConnection, StageRecord } from "../../mount/StageRecord.ts"
import type { FabricTarget, NvmeDevice } from "../../nvme/NvmeFabric.ts"
import { type Capability, type FsType, isReadOnly } from "../../volume/AccessMode.ts"
import type { InvalidArgument } from "../../volume/Errors.ts"
import { Nqn } from "../../volume/Nqn.ts"
import * as PublishContext from "../../volume/PublishContext.ts"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeLock } from "../../volume/VolumeLock.ts"
import { FailedPrecondition } from "../Errors.ts"
import type { NodeConfig } from "./Config.ts"

/** How a volume is to be staged: what of a capability makes a difference at the staging path. */
export type Usage =
  | { readonly _tag: "Block" }
  | { readonly _tag: "Filesystem"; readonly fsType: FsType; readonly flags: ReadonlyArray<string> }

/** A volume as one call wants it on this node. */
export interface WantedVolume {
  readonly id: VolumeId
  readonly nqn: Nqn
  readonly stagingPath: string
  readonly usage: Usage
  /** The grant, the access mode or a mount option forbids writing. Nothing is formatted, repaired or grown then. */
  readonly readOnly: boolean
  /** Where and how it is connected, as the call has it; absent when it does not say, or says it in a form of long ago. */
  readonly connection?: RecordedConnection
}

/** The usage that a capability asks for, with a grant as the publish context has it; mount options are checked. */
export const usageOf = (
  { accessMode, accessType }: Capability,
  publishContext: Readonly<Record<string, string>>
): Result.Result<{ readonly usage: Usage; readonly readOnly: boolean }, InvalidArgument> => {
  const mayOnlyRead = isReadOnly(accessMode) || PublishContext.isReadOnly(publishContext)
  if (accessType._tag === "Block") return Result.succeed({ usage: { _tag: "Block" }, readOnly: mayOnlyRead })
  return Result.map(mountFlags(accessType.fsType, accessType.mountFlags), (flags) => {
    const readOnly = mayOnlyRead || flags.includes("ro")
    const effective = readOnly ? [...new Set([...flags.filter((flag) => flag !== "rw"), "ro"])] : flags
    return { usage: { _tag: "Filesystem", fsType: accessType.fsType, flags: effective }, readOnly }
  })
}

/**
 * Has the kernel refuse writes to the device of a block volume that may only be read, from root as well; the mode of a block
 * special file holds back nobody else. A file system is protected by its mount, which may have to replay a journal.
 */
export const protectDevice = Effect.fnUntraced(function*({ readOnly, usage }: WantedVolume, device: NvmeDevice) {
  const mounter = yield* Mounter
  if (usage._tag === "Block" || !readOnly) yield* mounter.setReadOnly(device, readOnly)
})

/**
 * One operation at a time on a volume of this node; a call that comes second is told to come again (`ABORTED`). It waits for a
 * moment while the watcher looks at the volume, of which no caller knows.
 */
export const exclusively = (config: NodeConfig, id: VolumeId) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(
    VolumeLock,
    (lock) =>
      Effect.ignore(lock.withLockWithin(lookKey(config, id), "2 seconds")(Effect.void)).pipe(
        Effect.andThen(lock.tryLock(lockKey(config, id))(self))
      )
  )

/** The same for the watcher, which leaves a volume alone that a call works on (`VolumeBusy`). */
export const unlessBusy = (config: NodeConfig, id: VolumeId) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(VolumeLock, (lock) => lock.withLock(lookKey(config, id))(lock.tryLock(lockKey(config, id))(self)))

/** The same lock for work that no call waits for: whoever comes second waits. */
export const inTurn = (config: NodeConfig, id: VolumeId) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(VolumeLock, (lock) => lock.withLock(lockKey(config, id))(self))

const lookKey = (config: NodeConfig, id: VolumeId) => `the look at ${lockKey(config, id)}`

const lockKey = ({ nodeId }: NodeConfig, id: VolumeId) => `volume ${id} on node ${nodeId}`

/** What to ask of the initiator to connect the volume `nqn` to this node. */
export const targetOf = (
  { nodeId }: NodeConfig,
  nqn: Nqn,
  { address, port, tuning }: RecordedConnection
): FabricTarget => ({ nqn, address, port, tuning, hostNqn: Nqn.host(nodeId), hostId: Nqn.hostId(nodeId) })

/**
 * The record of `volume` as staged on `device`. Publications come from the record before, and so does the connection unless
 * this call made one; `uuid` is the file system's, "" for a block volume.
 */
export const recordOf = (
  volume: WantedVolume,
  device: NvmeDevice,
  uuid: string,
  previous: Option.Option<StageRecord>
): StageRecord => {
  const { connection = Option.getOrUndefined(previous)?.connection } = volume
  return {
    version: 1,
    volumeId: volume.id,
    nqn: volume.nqn,
    stagingPath: volume.stagingPath,
    mode: volume.usage._tag === "Block" ? volume.usage : { ...volume.usage, uuid },
    readOnly: volume.readOnly,
    device,
    publications: Option.match(previous, { onNone: () => [], onSome: ({ publications }) => publications }),
    ...(connection === undefined ? {} : { connection })
  }
}

/** The UUID of the file system that this node last saw on the volume; None for a block volume, or without a record. */
export const recordedUuid = (record: Option.Option<StageRecord>): Option.Option<string> =>
  Option.flatMap(record, ({ mode }) => mode._tag === "Filesystem" ? Option.some(mode.uuid) : Option.none())

/** `FAILED_PRECONDITION` about a volume on this node. */
export const refuse = (config: NodeConfig, id: VolumeId, problem: string) =>
  new FailedPrecondition({ message: `volume ${id} on node ${config.nodeId} ${problem}` })
