import { Effect, Metric, Option } from "effect"
import { rdsPoolFreeBytes, rdsPoolSizeBytes } from "../observability/Metrics.ts"
import { formatBytes } from "../volume/Capacity.ts"
import { type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import { type DiskRow, DiskRows } from "./Appliance.ts"
import { ApplianceUnsupported, PoolFull, PoolNotReady } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import type { PoolCapacity } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { look, type Run } from "./Run.ts"

/** A mounted file system of the appliance, and what it has free. */
export interface Pool {
  /** Without leading slash, as RouterOS names it. */
  readonly mountPoint: string
  /** Such as `xfs` or `btrfs`. */
  readonly fs: string
  /** Of the file system; empty if it has none. */
  readonly label: string
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

/** The pools that `reportPools` left in the facts and whose size and free space are known. */
export const readPools = (facts: Facts) =>
  Effect.map(read(facts, "pools", DiskRows), (rows) => rows.flatMap((row) => Option.toArray(toPool(row))))

const toPool = (row: DiskRow): Option.Option<Pool> =>
  typeof row.free === "bigint" && typeof row.size === "bigint" && mountPoint(row) !== ""
    ? Option.some({
      mountPoint: mountPoint(row),
      fs: row.fs ?? "",
      label: row["fs-label"] ?? "",
      sizeBytes: row.size,
      freeBytes: row.free
    })
    : Option.none()

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
  const { state } = row
  if (typeof state === "string" && state !== "" && !state.startsWith("clean")) {
    return yield* new PoolNotReady({
      message:
        `pool ${mountPoint(row)} is in state ${JSON.stringify(state)}, not clean: it must be repaired before volumes ` +
        "are created or grown on it"
    })
  }
  const pool = Option.getOrUndefined(toPool(row))
  if (pool === undefined) {
    return yield* new ApplianceUnsupported({
      message: `the appliance does not tell the size of pool ${mountPoint(row)}`
    })
  }
  const attributes = { pool: pool.mountPoint }
  yield* Metric.update(Metric.withAttributes(rdsPoolSizeBytes, attributes), Number(pool.sizeBytes))
  yield* Metric.update(Metric.withAttributes(rdsPoolFreeBytes, attributes), Number(pool.freeBytes))
  return pool
})

/** Free space less the reserve, never negative; fails when no volume could be created there now. */
export const poolCapacity = (run: Run, { reserveBytes }: RdsConfig) =>
  Effect.fn("RdsClient.capacity")(function*(path: VolumePath) {
    const facts = yield* look(run, reportPools, "list its pools")
    const pool = yield* readPool(facts, path)
    const freeBytes = pool.freeBytes > reserveBytes ? pool.freeBytes - reserveBytes : 0n
    return { mountPoint: pool.mountPoint, sizeBytes: pool.sizeBytes, freeBytes } satisfies PoolCapacity
  })

/** Fails when the pool lacks the room for that many bytes more beside the reserve. */
export const checkFree = (
  pool: Pool,
  bytes: bigint,
  { purpose, reserveBytes }: { readonly purpose: string; readonly reserveBytes: bigint }
) =>
  pool.freeBytes >= bytes + reserveBytes ? Effect.void : Effect.fail(
    new PoolFull({
      message:
        `pool ${pool.mountPoint} has ${formatBytes(pool.freeBytes)} free, too little ${purpose} and the reserve ` +
        `of ${formatBytes(reserveBytes)}: delete volumes or add drives`
    })
  )

/** Makes the directory and those above it, below the pool's mount point, as far as they are missing. */
export const makeDirectories = ({ mountPoint }: Pool, directory: VolumePath): RosScript => {
  const below = withoutSlash(directory).slice(mountPoint.length).split("/").filter((segment) => segment !== "")
  const names = below.map((_, i) => [mountPoint, ...below.slice(0, i + 1)].join("/"))
  return ros`${
    names.map((name) =>
      ros`:if ([:len [/file/find where name=${name}]] = 0) do={ /file/add type=directory name=${name} };`
    )
  }`
}

const mountPoint = (row: DiskRow) => withoutSlash(row["mount-point"] ?? "")
