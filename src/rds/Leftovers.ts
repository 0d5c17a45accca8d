import { Effect, Option, Order } from "effect"
import { normalise, withoutSlash } from "../volume/PathRules.ts"
import * as Uuid from "../volume/Uuid.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { DiskRows, FileRows } from "./Appliance.ts"
import { read, report } from "./Facts.ts"
import type { LeftoverFile } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, startingWith } from "./RouterOs.ts"
import { look, type Run } from "./Run.ts"
import { disksWhere } from "./Volumes.ts"

/** `<volume id>.img`, or an image in a directory of the volume's own; nothing else is ever taken for a volume's file. */
const imageForm = new RegExp(`/(pvc-${Uuid.pattern})(?:\\.img|/disk\\.img)$`)

/**
 * The files are read before the items: what is added meanwhile is then in use, never left over. Both are compared in one form,
 * since `/file` names them without the leading slash that `/disk` shows.
 */
export const listLeftovers = Effect.fn("RdsClient.leftovers")(function*(run: Run, { base }: RdsConfig) {
  const below = startingWith(`${withoutSlash(base)}/`)
  const facts = yield* look(
    run,
    ros`${report("files", ros`[/file/print detail as-value where name~${below} and name~"img\$"]`)};
      ${report("disks", disksWhere(ros`type=file`))}`,
    "list its files"
  )
  const used = new Set((yield* read(facts, "disks", DiskRows)).map((row) => normalise(row["file-path"] ?? "")))
  return (yield* read(facts, "files", FileRows))
    .map(({ name, size }) => ({ path: normalise(name), sizeBytes: size ?? 0n }))
    .flatMap(({ path, sizeBytes }) => Option.toArray(idIn(path)).map((id): LeftoverFile => ({ id, path, sizeBytes })))
    .filter(({ path }) => !used.has(path))
    .sort(Order.mapInput(Order.String, ({ path }: LeftoverFile) => path))
})

const idIn = (path: string) => Option.flatMap(Option.fromNullishOr(imageForm.exec(path)?.[1]), VolumeId.parse)
