import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { RdsError } from "../../src/rds/Errors.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import * as Content from "../../src/volume/Content.ts"
import { withoutSlash } from "../../src/volume/PathRules.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { GiB, holdings, spec } from "./Harness.ts"

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

/** Nobody holds the volume that is read; a node does. */
export const free = Effect.succeedNone
export const heldBy = (node: string) => Effect.succeedSome(node)

/** All that may be left of something on the device. */
export const everything = ({ simulator }: { readonly simulator: Simulator }) =>
  Effect.all({
    holdings: holdings(simulator),
    subvolumes: simulator.device.subvolumes,
    scripts: simulator.device.scripts,
    jobs: Effect.map(simulator.device.jobs, (jobs) => jobs.filter(({ type }) => type !== "login"))
  })

/** What a guest has written to the volume, or what the file of a snapshot holds. */
export const contentOf = ({ device }: Simulator, path: string) =>
  Effect.map(
    device.files,
    (files) => files.find((file) => file.path === withoutSlash(path))?.contents
  )

/** A guest writes to the volume. */
export const writeTo = ({ device }: Simulator, { path }: { readonly path: string }, contents: string) =>
  device.writeImage(withoutSlash(path), contents)

/** A copy of 1 GiB takes so many milliseconds. */
export const lasting = (millis: bigint) => ({ copyRate: GiB * 1000n / millis })

/** Fails with that error, having changed nothing. */
export const refused = Effect.fnUntraced(function*(
  started: { readonly simulator: Simulator },
  call: Effect.Effect<unknown, RdsError>,
  tag: RdsError["_tag"],
  message: RegExp
) {
  const before = yield* everything(started)
  const error = yield* Effect.flip(call)
  assert.strictEqual(error._tag, tag, error.message)
  assert.match(error.message, message)
  assert.deepStrictEqual(yield* everything(started), before)
})
