import { Effect, Metric } from "effect"
import { rdsPoolFreeBytes, rdsPoolSizeBytes } from "../observability/Metrics.ts"
import { type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import { type DiskRow, DiskRows } from "./Appliance.ts"
import { ApplianceUnsupported, PoolNotReady } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import type { PoolCapacity } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { look, type Run } from "./Run.ts"

/** A mounted file system of the appliance, and what it has free. */
export interface Pool {
  /** Without leading slash, as RouterOS names it. */
  readonly mountPoint: string
  readonly sizeBytes: bigint
  readonly freeBytes: bigint
}

/** Reports every mounted file system. */
export const reportPools: RosScript = report("pools", ros`[/disk/print detail as-value where mounted]`)

/**
 * Runs `then` if the pool that holds the file named in the variable `vn` (no leading slash) is mounted, clean if it is
 * an array, and has `free` bytes free. `then` finds the pool's mount point in `pp`: of the mount points that are a
 * beginning of the name, by whole segments, the longest. An array's state goes on behind `clean` while it is being
 * checked; a drive that is no array has none.
 */
export const inReadyPool = (free: RosScript, then: RosScript): RosScript =>
  ros`:local pp ""; :local pi;
    :foreach i in=[/disk/find where mounted] do={
      :local mp [:tostr [/disk/get $i mount-point]];
      :if (([:len $mp] > [:len $pp]) && ([:pick $vn 0 ([:len $mp] + 1)] = ($mp . "/"))) do={ :set pp $mp; :set pi $i }
    };
    :if ([:len $pp] > 0) do={
      :if (([/disk/get $pi free] >= ${free}) && ([:tostr [/disk/get $pi state]] ~ "^(clean|\$)")) do={ ${then} }
    }`

/**
 * From the facts that `reportPools` left: the pool that holds `path` (or is mounted there), or why it cannot be used.
 */
export const readPool = Effect.fnUntraced(function*(facts: Facts, path: VolumePath) {
  const [row] = (yield* read(facts, "pools", DiskRows))
    .filter((row) => mountPoint(row) !== "" && `${path}/`.startsWith(`/${mountPoint(row)}/`))
    .sort((a, b) => mountPoint(b).length - mountPoint(a).length)
  if (row === undefined) {
    return yield* new PoolNotReady({
      message: `no mounted pool holds ${path}: mount the pool on the appliance, or correct the path`
    })
  }
  const { free, size, state } = row
  if (typeof state === "string" && state !== "" && !state.startsWith("clean")) {
    return yield* new PoolNotReady({
      message:
        `pool ${mountPoint(row)} is in state ${JSON.stringify(state)}, not clean: it must be repaired before volumes ` +
        "are created or grown on it"
    })
  }
  if (typeof free !== "bigint" || typeof size !== "bigint") {
    return yield* new ApplianceUnsupported({
      message: `the appliance does not tell the size of pool ${mountPoint(row)}`
    })
  }
  const pool = { pool: mountPoint(row) }
  yield* Metric.update(Metric.withAttributes(rdsPoolSizeBytes, pool), Number(size))
  yield* Metric.update(Metric.withAttributes(rdsPoolFreeBytes, pool), Number(free))
  return { mountPoint: mountPoint(row), sizeBytes: size, freeBytes: free } satisfies Pool
})

/** Free space less the reserve, never negative; fails when no volume could be created there now. */
export const poolCapacity = (run: Run, { reserveBytes }: RdsConfig) =>
  Effect.fn("RdsClient.capacity")(function*(path: VolumePath) {
    const facts = yield* look(run, reportPools, "list its pools")
    const pool = yield* readPool(facts, path)
    const freeBytes = pool.freeBytes > reserveBytes ? pool.freeBytes - reserveBytes : 0n
    return { ...pool, freeBytes } satisfies PoolCapacity
  })

const mountPoint = (row: DiskRow) => withoutSlash(row["mount-point"] ?? "")
