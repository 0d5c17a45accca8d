import { Option } from "effect"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import * as Content from "../../src/volume/Content.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { GiB, spec } from "./Harness.ts"

/** A device whose pool has Btrfs: its slot, its mount point and its label are three names. */
export const btrfs = { pools: [{ ...defaultPool, slot: "raid1", fs: "btrfs", label: "Data" }] } as const

export const snapshotId = SnapshotId.fromName

/** The snapshot of that name, of the volume of that name. */
export const cut = (name: string, source: string) => ({
  id: snapshotId(name),
  source: spec(source).id,
  directory: Option.none()
})

/** For a volume of that snapshot, or of that volume, of at most that size. */
export const ofSnapshot = (name: string, maxBytes = 16n * GiB) => ({
  content: Content.ofSnapshot(snapshotId(name)),
  maxBytes
})
export const ofVolume = (name: string, maxBytes = 16n * GiB) => ({ content: Content.ofVolume(spec(name).id), maxBytes })
