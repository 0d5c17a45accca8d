import { Effect, Option } from "effect"
import { formatBytes } from "../volume/Capacity.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { PoolFull } from "./Errors.ts"
import { report } from "./Facts.ts"
import type { RdsVolume } from "./Model.ts"
import { inReadyPool, readPool, reportPools } from "./Pools.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { releaseVolume } from "./Release.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, look, type Run } from "./Run.ts"
import { disksWhere, readVolume, withNqnOf } from "./Volumes.ts"

/**
 * Sets the new size if the volume is smaller and its pool has room, and reads it back, in one script; only if it is
 * still smaller does a second one ask why. Shrinking a backing file would cut off data, so `file-size` is never set to
 * less.
 */
export const growVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.grow")(function*(id: VolumeId, sizeBytes: bigint) {
    const { reserveBytes } = config
    const first = yield* growOnce(run, id, sizeBytes, reserveBytes)
    const { failure, volume } = Option.exists(first.volume, isKept(sizeBytes))
      ? yield* Effect.andThen(
        Effect.forEach(Option.toArray(first.volume), releaseVolume(run, config)),
        growOnce(run, id, sizeBytes, reserveBytes)
      )
      : first
    if (Option.isNone(volume) || volume.value.sizeBytes >= sizeBytes) return volume
    yield* checkPool(run, volume.value, sizeBytes, reserveBytes)
    return yield* refusal(`grow volume ${id} from ${formatBytes(volume.value.sizeBytes)}`, failure)
  })

/** Too small, and kept as it is for a copy; what is copied must not change its size. */
const isKept = (sizeBytes: bigint) => (volume: RdsVolume) =>
  volume.sizeBytes < sizeBytes && Option.isSome(ItemComment.copyOf(volume.comment))

const growOnce = Effect.fnUntraced(function*(run: Run, id: VolumeId, sizeBytes: bigint, reserveBytes: bigint) {
  const { facts, failure } = yield* change(
    run,
    growScript(id, sizeBytes, reserveBytes),
    readBack(id),
    `grow volume ${id}`
  )
  return { failure, volume: yield* readVolume(facts, id) }
})

/** `vn` is the backing file as `/file` names it, `nd` what the pool must have free. */
const growScript = (id: VolumeId, sizeBytes: bigint, reserveBytes: bigint): RosScript =>
  ros`:foreach d in=[/disk/find where ${
    withNqnOf(id)
  } and type=file and size<${sizeBytes} and !(comment~"copying=")] do={
      :local vn [:tostr [/disk/get $d file-path]];
      :if ([:pick $vn 0] = "/") do={ :set vn [:pick $vn 1 [:len $vn]] };
      :local nd (${sizeBytes + reserveBytes} - [/disk/get $d size]);
      ${inReadyPool(ros`$nd`, ros`/disk/set $d file-size=${sizeBytes}`)}
    };
    ${readBack(id)}`

const readBack = (id: VolumeId): RosScript => report("disks", disksWhere(withNqnOf(id)))

const checkPool = Effect.fnUntraced(
  function*(run: Run, { id, path, sizeBytes }: RdsVolume, wanted: bigint, reserveBytes: bigint) {
    const pool = yield* readPool(yield* look(run, reportPools, "list its pools"), path)
    const more = wanted - sizeBytes
    if (pool.freeBytes >= more + reserveBytes) return
    return yield* new PoolFull({
      message: `pool ${pool.mountPoint} has ${formatBytes(pool.freeBytes)} free, too little to grow volume ${id} by ` +
        `${formatBytes(more)} beside the reserve of ${formatBytes(reserveBytes)}: delete volumes or add drives`
    })
  }
)
