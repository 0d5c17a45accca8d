import { Effect, Option } from "effect"
import { type MountEntry, Mounter, sameDevice } from "../../mount/Mounter.ts"
import { StageRecords } from "../../mount/StageRecords.ts"
import { type NvmeDevice, NvmeFabric } from "../../nvme/NvmeFabric.ts"
import { Nqn } from "../../volume/Nqn.ts"
import type { VolumeId } from "../../volume/VolumeId.ts"
import { VolumeNotAtPath } from "../Errors.ts"
import { examine } from "./Mounts.ts"

/** What a volume is at one of the paths where it is staged or published. */
export type Location =
  | { readonly _tag: "Filesystem"; readonly device: NvmeDevice; readonly entry: MountEntry }
  | { readonly _tag: "Block"; readonly device: NvmeDevice }
  /** The path still shows a device that the volume no longer has. `sizeBytes` is from when it was staged or grown. */
  | { readonly _tag: "Lost"; readonly sizeBytes: bigint }

/** Finds the volume at the path, by the kernel's state and its record. Fails when it is not there. */
export const locate = Effect.fnUntraced(function*(
  id: VolumeId,
  path: string
): Effect.fn.Return<Location, Failure, Services> {
  const notThere = new VolumeNotAtPath({ volumeId: id, path })
  if (!path.startsWith("/")) return yield* notThere
  const fabric = yield* NvmeFabric
  const mounter = yield* Mounter
  const records = yield* StageRecords
  const nqn = Nqn.ofVolume(id)
  const device = yield* fabric.device(nqn)
  const record = yield* records.get(id)
  const sizeBytes = Option.match(Option.orElse(Option.map(record, (found) => found.device), () => device), {
    onNone: () => 0n,
    onSome: (last) => last.sizeBytes
  })

  const state = yield* examine(path, nqn, device)
  if (state._tag === "Foreign") return yield* notThere
  if (state._tag === "Stale") return { _tag: "Lost", sizeBytes }
  if (state._tag === "Current") return { _tag: "Filesystem", device: state.device, entry: state.entry }
  const node = yield* mounter.blockNode(path)
  const staged = Option.exists(record, (found) => found.mode._tag === "Block" && found.stagingPath === path)
  const current = Option.filter(device, (now) => staged || Option.exists(node, (found) => sameDevice(found, now)))
  if (Option.isSome(current)) return { _tag: "Block", device: current.value }
  const published = Option.exists(
    record,
    ({ publications }) => publications.some(({ targetPath }) => targetPath === path)
  )
  return staged || (published && Option.isSome(node)) ? { _tag: "Lost", sizeBytes } : yield* notThere
})

type Services = NvmeFabric | Mounter | StageRecords
type Failure =
  | VolumeNotAtPath
  | Effect.Error<ReturnType<typeof examine> | ReturnType<Mounter["Service"]["blockNode"]>>
