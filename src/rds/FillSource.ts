import { Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as Content from "../volume/Content.ts"
import type { VolumePath } from "../volume/PathRules.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { DiskRows } from "./Appliance.ts"
import { CopyRunning, SourceMissing, SourceTooLarge } from "./Errors.ts"
import { type Facts, read } from "./Facts.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { readSnapshot } from "./Snapshots.ts"
import { findVolume } from "./Volumes.ts"

/** Where the content is now. */
export interface Source {
  readonly path: VolumePath
  readonly sizeBytes: bigint
}

/** What a volume is wanted of. */
interface Wanted {
  readonly id: VolumeId
  readonly content: Content.Content
  readonly maxBytes: bigint
}

/** Fails if there is none, or none yet, or if it does not fit. */
export const sourceOf = Effect.fnUntraced(
  function*(facts: Facts, { content, id, maxBytes }: Wanted, config: RdsConfig) {
    const found: Option.Option<Source & { readonly ready?: boolean }> = content._tag === "Snapshot"
      ? yield* readSnapshot(facts, content.id, config)
      : yield* Effect.fromResult(findVolume(yield* read(facts, "disks", DiskRows), content.id))
    if (Option.isNone(found)) return yield* sourceMissing(id, content)
    if (found.value.ready === false) return yield* notReady(id, content)
    if (found.value.sizeBytes > maxBytes) return yield* tooLarge(id, content, found.value.sizeBytes, maxBytes)
    return found.value
  }
)

export const tooLarge = (id: VolumeId, content: Content.Content, sizeBytes: bigint, maxBytes: bigint) =>
  new SourceTooLarge({
    message:
      `volume ${id} cannot be made of ${Content.describe(content)}: that has ${formatBytes(sizeBytes)}, and no more ` +
      `than ${formatBytes(maxBytes)} are asked for`
  })

const sourceMissing = (id: VolumeId, content: Content.Content) =>
  new SourceMissing({
    message: `${Content.describe(content)}, of which volume ${id} is wanted, does not exist on the appliance`
  })

const notReady = (id: VolumeId, content: Content.Content) =>
  new CopyRunning({
    message: `${Content.describe(content)}, of which volume ${id} is wanted, is still being copied; try again later`
  })
