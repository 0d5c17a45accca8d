import { Option, Result, Schema } from "effect"
import { Nqn } from "../volume/Nqn.ts"
import * as OwnershipTag from "../volume/OwnershipTag.ts"
import { normalise, VolumePath } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import type { DiskRow } from "./Appliance.ts"
import { ApplianceConflict, ApplianceUnsupported } from "./Errors.ts"
import type { RdsVolume } from "./Model.ts"
import { ros, type RosScript } from "./RouterOs.ts"

/** The port that RouterOS exports on when none is set (RouterOS manual, NVMe over TCP). */
const defaultPort = 4420

const isVolumePath = Schema.is(VolumePath)

/** Rows of `/disk` that hold the condition, as an array of maps. */
export const disksWhere = (condition: RosScript): RosScript => ros`[/disk/print detail as-value where ${condition}]`

/** The items exported under the volume's NQN, which is the volume's key on the appliance. */
export const withNqnOf = (id: VolumeId): RosScript => ros`nvme-tcp-server-nqn=${Nqn.ofVolume(id)}`

/**
 * The volume among the rows: the file item that has its NQN. Should several claim it, the one whose slot is the
 * volume's. Something else under that NQN is a conflict, never the volume.
 */
export const findVolume = (rows: ReadonlyArray<DiskRow>, id: VolumeId) => finderIn(rows)(id)

/** {@link findVolume} for many volumes among the same rows: each row is looked at once, not once for each volume. */
export const finderIn = (rows: ReadonlyArray<DiskRow>) => {
  const claims = Map.groupBy(rows, (row) => row["nvme-tcp-server-nqn"])
  return (id: VolumeId) => volumeAmong(claims.get(Nqn.ofVolume(id)) ?? [], id)
}

const volumeAmong = (
  claims: ReadonlyArray<DiskRow>,
  id: VolumeId
): Result.Result<Option.Option<RdsVolume>, ApplianceConflict | ApplianceUnsupported> => {
  if (claims.length === 0) return Result.succeedNone
  const slots = VolumeId.slots(id)
  const named = claims.filter((row) => slots.includes(row.slot ?? ""))
  const [row, ...others] = claims.length === 1 ? claims : named
  if (row === undefined || others.length > 0 || row.type !== "file") {
    return Result.fail(
      new ApplianceConflict({
        message: `the NQN of volume ${id} is claimed by ${claims.map(nameOf).join(" and ")} on the appliance: remove ` +
          "the export that is not the volume's"
      })
    )
  }
  return Result.map(toVolume(row, id), Option.some)
}

/** The row as the volume with that id; fails when a property without which it cannot be used is missing. */
const toVolume = (row: DiskRow, id: VolumeId): Result.Result<RdsVolume, ApplianceUnsupported> => {
  const sizeBytes = row.size ?? row["file-size"]
  const path = normalise(row["file-path"] ?? "")
  const { slot } = row
  if (typeof slot !== "string" || typeof sizeBytes !== "bigint" || !isVolumePath(path)) {
    const missing = typeof slot !== "string" ? "slot" : typeof sizeBytes !== "bigint" ? "size" : "file path"
    return Result.fail(
      new ApplianceUnsupported({
        message: `the appliance does not tell the ${missing} of volume ${id} (${nameOf(row)})`
      })
    )
  }
  return Result.succeed({
    id,
    slot,
    nqn: Nqn.ofVolume(id),
    path,
    sizeBytes,
    exported: row["nvme-tcp-export"] === true,
    port: Number(row["nvme-tcp-server-port"] ?? defaultPort),
    owner: OwnershipTag.parse(row.comment ?? ""),
    comment: row.comment ?? ""
  })
}

/** How messages call an item of the appliance. */
export const nameOf = (row: DiskRow): string => `the disk ${JSON.stringify(row.slot ?? "without slot")}`
