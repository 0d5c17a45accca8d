import { Option } from "effect"
import { type MountEntry, sameDevice } from "../../../mount/Mounter.ts"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import { type Controller, isLive, type NvmeDevice } from "../../../nvme/NvmeFabric.ts"

/**
 * A volume's connection as its users feel it. `connecting`: the kernel reconnects by itself and I/O waits. `gone`: it has
 * given up, or there is no controller; I/O fails.
 */
export type ConnectionState = "live" | "connecting" | "gone"

/** What is wrong with a volume whose connection is live. The message says what to do. */
export interface Problem {
  readonly kind: "stale" | "not_mounted" | "no_device" | "read_only" | "failing"
  readonly message: string
}

/** What the kernel shows of one volume. */
export interface Sight {
  readonly controllers: ReadonlyArray<Controller>
  readonly device: Option.Option<NvmeDevice>
  /** What is mounted at the staging path, the visible one last. */
  readonly mounts: ReadonlyArray<MountEntry>
}

const waiting: ReadonlyArray<string> = ["new", "resetting", "connecting"] satisfies ReadonlyArray<Controller["state"]>

export const connectionOf = (controllers: ReadonlyArray<Controller>): ConnectionState => {
  if (isLive(controllers)) return "live"
  return controllers.some(({ state }) => waiting.includes(state)) ? "connecting" : "gone"
}

/** What is wrong with a staged volume, as far as it shows without touching it. Holds while its connection is live. */
export const visibleProblem = (
  record: StageRecord,
  { device, mounts }: Omit<Sight, "controllers">
): Problem | undefined => {
  if (Option.isNone(device)) return noDevice
  if (record.mode._tag === "Block") return sameDevice(record.device, device.value) ? undefined : staleBlock
  const top = mounts.at(-1)
  if (top === undefined) return notMounted
  if (!mounts.every((entry) => sameDevice(entry.device, device.value))) return staleMount
  return top.filesystemReadOnly && !record.readOnly ? readOnly : undefined
}

const noDevice: Problem = {
  kind: "no_device",
  message: "the volume is connected and has no block device; look whether the appliance still exports its disk"
}

const notMounted: Problem = {
  kind: "not_mounted",
  message:
    "the file system is not mounted at the staging path any more; it is mounted when the volume is published next"
}

const staleMount: Problem = {
  kind: "stale",
  message: "the volume was lost and came back as another device; delete the pods that use it, and it is mounted afresh"
}

const staleBlock: Problem = {
  kind: "stale",
  message: "the volume was lost and came back as another device; delete the pods that use it"
}

const readOnly: Problem = {
  kind: "read_only",
  message: "the file system became read-only after an error; check it"
}

/** The file system shows an error when it is asked for its space, as one that was shut down does. */
export const failing = (error: string): Problem => ({
  kind: "failing",
  message: `the file system cannot be used: ${error}`
})
