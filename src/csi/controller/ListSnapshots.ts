import { timestampFromMs } from "@bufbuild/protobuf/wkt"
import { Effect, Option } from "effect"
import { RdsClient, type RdsSnapshot } from "../../rds/RdsClient.ts"
import { SnapshotId } from "../../volume/SnapshotId.ts"
import type { ListSnapshotsRequest } from "../gen/csi_pb.ts"
import { pageOf } from "./Pages.ts"

/** Stands for the source of a snapshot that the Go driver made: it is nowhere on record, and CSI wants one. */
const unknownSource = "unknown"

/**
 * CSI spec, ListSnapshots. Both filters may be given; what they name need not exist. Only snapshots that were cut are listed.
 * Those of the Go driver, of which nobody knows the source any more, are listed only by their id.
 */
export const listSnapshots = Effect.fnUntraced(function*(request: ListSnapshotsRequest) {
  const { page, nextToken } = yield* pageOf(request, SnapshotId.parse, wanted(request))
  return { entries: page.map((snapshot) => ({ snapshot: describeSnapshot(snapshot) })), nextToken }
})

const wanted = Effect.fnUntraced(function*({ snapshotId, sourceVolumeId }: ListSnapshotsRequest) {
  const rds = yield* RdsClient
  const id = SnapshotId.parse(snapshotId)
  if (snapshotId !== "" && Option.isNone(id)) return []
  const found = Option.isSome(id)
    ? Option.toArray(yield* rds.getSnapshot(id.value))
    : (yield* rds.listSnapshots).filter(({ source }) => Option.isSome(source))
  return sourceVolumeId === "" ? found : found.filter(({ source }) => Option.contains<string>(source, sourceVolumeId))
})

/** A snapshot as CSI tells it. */
export const describeSnapshot = ({ createdAt, id, ready, sizeBytes, source }: RdsSnapshot) => ({
  snapshotId: id,
  sourceVolumeId: Option.getOrElse(source, () => unknownSource),
  sizeBytes,
  creationTime: timestampFromMs(createdAt),
  readyToUse: ready
})
