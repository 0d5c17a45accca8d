import { Effect, Option } from "effect"
import { Fencing } from "../../attachment/Fencing.ts"
import type { Origin } from "../../rds/RdsClient.ts"
import { type CapacityRange, MAX_BYTES } from "../../volume/Capacity.ts"
import * as Content from "../../volume/Content.ts"
import { SnapshotId } from "../../volume/SnapshotId.ts"
import { VolumeId } from "../../volume/VolumeId.ts"
import { SourceNotFound } from "../Errors.ts"
import type { VolumeContentSource } from "../gen/csi_pb.ts"
import { missing } from "../Requests.ts"

/** What a new volume is wanted of. An id that nothing can have is of something that does not exist. */
export const contentSource = Effect.fnUntraced(function*(source: VolumeContentSource | undefined) {
  if (source === undefined) return Option.none<Content.Content>()
  switch (source.type.case) {
    case "snapshot": {
      const { snapshotId } = source.type.value
      if (snapshotId === "") return yield* missing("volume_content_source.snapshot.snapshot_id")
      return yield* known(`snapshot ${snapshotId}`, Option.map(SnapshotId.parse(snapshotId), Content.ofSnapshot))
    }
    case "volume": {
      const { volumeId } = source.type.value
      if (volumeId === "") return yield* missing("volume_content_source.volume.volume_id")
      return yield* known(`volume ${volumeId}`, Option.map(VolumeId.parse(volumeId), Content.ofVolume))
    }
    case undefined:
      return yield* missing("volume_content_source.type")
  }
})

const known = Effect.fnUntraced(function*(what: string, content: Option.Option<Content.Content>) {
  return Option.isSome(content) ? content : yield* new SourceNotFound({ what })
})

/**
 * The same, with the largest size that it may have: the size that is asked for, or without one the limit, since the volume is
 * then as large as its content.
 */
export const originOf = (content: Content.Content, range: CapacityRange | undefined, sizeBytes: bigint): Origin => {
  const { limitBytes = 0n, requiredBytes = 0n } = range ?? {}
  return { content, maxBytes: requiredBytes > 0n ? sizeBytes : limitBytes > 0n ? limitBytes : MAX_BYTES }
}

/** Asks which node holds what is read, as it is now. A snapshot is nobody's to hold. */
export const holderOf = Effect.fnUntraced(function*(content: Content.Content) {
  const fencing = yield* Fencing
  const [first] = content._tag === "Volume" ? [fencing.holders(content.id)] : []
  return first === undefined
    ? Effect.succeedNone
    : Effect.map(first, ([node]) => Option.fromUndefinedOr(node))
})
