import { Option } from "effect"
import { describeVerdict, type Judged } from "../orphans/Judgement.ts"
import type { Survey } from "../orphans/Survey.ts"
import { formatBytes } from "../volume/Capacity.ts"

/** A volume, or a file without disk, as `orphans list` shows it. */
export interface OrphanEntry {
  readonly kind: "volume" | "file"
  readonly volumeId: string
  readonly sizeBytes: number
  /** Absolute path of the image on the appliance. */
  readonly path: string
  /** Slot of the disk; empty for a file. */
  readonly slot: string
  /** Comment of the disk, which holds the ownership tag. */
  readonly comment: string
  readonly exported: boolean
  /** Whether `orphans remove` would remove it. */
  readonly orphan: boolean
  readonly reason: string
}

/** Everything of the survey: volumes first, then files. */
export const entriesOf = ({ judged, leftovers }: Survey): ReadonlyArray<OrphanEntry> => [
  ...judged.map(entryOf),
  ...leftovers.map(({ id, path, reference, sizeBytes }): OrphanEntry => ({
    kind: "file",
    volumeId: id,
    sizeBytes: Number(sizeBytes),
    path,
    slot: "",
    comment: "",
    exported: false,
    orphan: false,
    reason: Option.match(reference, {
      onNone: () => "no disk uses this file, and nothing tells whose it is: never removed",
      onSome: ({ by }) => `${by} refers to it, but no disk uses this file`
    })
  }))
]

/** One volume. */
export const entryOf = ({ verdict, volume }: Judged): OrphanEntry => ({
  kind: "volume",
  volumeId: volume.id,
  sizeBytes: Number(volume.sizeBytes),
  path: volume.path,
  slot: volume.slot,
  comment: volume.comment,
  exported: volume.exported,
  orphan: verdict._tag === "Orphan",
  reason: describeVerdict(verdict)
})

/** The entries as columns for people. */
export const tableOf = (entries: ReadonlyArray<OrphanEntry>): string => {
  const rows = [
    ["ORPHAN", "VOLUME", "SIZE", "EXPORTED", "PATH", "TAG", "REASON"],
    ...entries.map(({ comment, exported, orphan, path, reason, sizeBytes, volumeId }) => [
      orphan ? "yes" : "no",
      volumeId,
      formatBytes(BigInt(sizeBytes)),
      exported ? "yes" : "no",
      path,
      comment === "" ? "-" : comment,
      reason
    ])
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()).join("\n")
}
