import { Effect, Option, Schema } from "effect"
import * as Content from "../volume/Content.ts"
import * as ImageRecord from "../volume/ImageRecord.ts"
import { ApplianceConflict } from "./Errors.ts"
import { type Facts, read, report } from "./Facts.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, type RosScript } from "./RouterOs.ts"

/**
 * What is on record of a snapshot, or of a volume that is being made of something, is one small file. It is not the
 * comment of a disk item: whether the file in a read-only subvolume can be the file of an item, nobody has seen, and a
 * file that is still being copied must not be one.
 */
export const recordFile = (target: Content.Content, { base }: RdsConfig): string => ImageRecord.fileOf(base, target)

/** Reports the record, if there is one. */
export const reportRecord = (target: Content.Content, config: RdsConfig): RosScript =>
  ros`:foreach i in=[/file/find where name=${recordFile(target, config)}] do={
    ${report(labelOf(target), ros`[/file/get $i contents]`)}
  };`

const labelOf = (target: Content.Content) => `record-of-${target._tag.toLowerCase()}`

/** The record that was reported. One that cannot be read is an error, never "no record". */
export const readRecord = Effect.fnUntraced(function*(facts: Facts, target: Content.Content, config: RdsConfig) {
  if (!facts.has(labelOf(target))) return Option.none<ImageRecord.ImageRecord>()
  const record = ImageRecord.parse(yield* read(facts, labelOf(target), Schema.String))
  const file = recordFile(target, config)
  if (Option.isNone(record) || !Content.isSame(record.value.target, target)) return yield* unreadable(file)
  if (record.value.clusterId !== config.clusterId) {
    return yield* new ApplianceConflict({
      message:
        `${Content.describe(target)} belongs to the cluster ${record.value.clusterId}, as ${file} on the appliance ` +
        "says; it is left alone"
    })
  }
  return record
})

export const unreadable = (file: string) =>
  new ApplianceConflict({
    message:
      `the file ${file} on the appliance cannot be read as a record of this driver; look at it, and correct it or ` +
      "remove it together with the image that it is about"
  })

/** Writes the record, over an earlier one. */
export const writeRecord = (record: ImageRecord.ImageRecord, config: RdsConfig): RosScript => {
  const file = recordFile(record.target, config)
  return ros`:local rc ${ImageRecord.encode(record)};
    :if ([:len [/file/find where name=${file}]] = 0) do={ /file/add name=${file} contents=$rc } else={
      /file/set [/file/find where name=${file}] contents=$rc
    };`
}

export const dropImageRecord = (target: Content.Content, config: RdsConfig): RosScript =>
  ros`/file/remove [/file/find where name=${recordFile(target, config)}];`
