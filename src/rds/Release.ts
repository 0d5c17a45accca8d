import { Effect, Option } from "effect"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { Count } from "./Appliance.ts"
import { readCopied, releaseScript, reportCopied, reportJobs, stopScript } from "./CopyJob.ts"
import { CopyRunning } from "./Errors.ts"
import { read, report } from "./Facts.ts"
import type { RdsVolume } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { refusal } from "./Refusal.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, type Run } from "./Run.ts"
import { disksWhere, readVolume, withNqnOf } from "./Volumes.ts"

/**
 * The volume, free to be used. One that is being copied is not; but a copy that has ended without saying so, as after a
 * restart of the appliance, keeps nobody from the volume: its mark is removed and the volume exported again, and whoever
 * wants the copy begins anew.
 */
export const releaseVolume = (run: Run, config: RdsConfig) =>
  Effect.fn("RdsClient.release")(function*(volume: RdsVolume) {
    const target = Option.getOrUndefined(ItemComment.copyOf(volume.comment))
    if (target === undefined) return volume
    const attempt = `export volume ${volume.id} again`
    const looking = ros`${reportJobs(target)}; ${reportCopied(target, config)} ${reportVolume(volume.id)}`
    const { facts, failure } = yield* change(run, ros`${releaseScript(volume, target)} ${looking}`, looking, attempt)
    if ((yield* read(facts, "jobs", Count)) > 0n) return yield* beingCopied(volume, target, yield* readCopied(facts))
    const after = Option.getOrUndefined(yield* readVolume(facts, volume.id))
    if (after?.exported === true) return after
    return yield* refusal(attempt, failure)
  })

/** Reports the volume. */
export const reportVolume = (id: VolumeId): RosScript => report("disks", disksWhere(withNqnOf(id)))

/** For whoever needs the volume while a copy of it runs. */
const beingCopied = ({ id, sizeBytes }: RdsVolume, target: Content.Content, copiedBytes: bigint) =>
  new CopyRunning({
    message:
      `volume ${id} is being copied to ${Content.describe(target)} (${copiedBytes * 100n / sizeBytes} %) and must ` +
      "not be used or changed meanwhile; try again later"
  })

/** Ends the copy that the record is about, if it runs, and releases the volume that it reads. */
export const abandonCopy = Effect.fnUntraced(function*(run: Run, { source, state, target }: ImageRecord) {
  if (state === "subvolume") return
  const attempt = `end the copy to ${Content.describe(target)}`
  const volume = source._tag === "Volume" ? reportVolume(source.id) : ros``
  const looking = ros`${reportJobs(target)}; ${volume}`
  const { facts } = yield* change(run, ros`${stopScript(target)} ${looking}`, looking, attempt)
  if ((yield* read(facts, "jobs", Count)) > 0n) return yield* notStopped(target)
  const found = source._tag === "Volume" ? yield* readVolume(facts, source.id) : Option.none<RdsVolume>()
  const marked = Option.filter(found, isMarkedFor(target))
  if (Option.isNone(marked)) return
  yield* change(run, releaseScript(marked.value, target), reportJobs(target), attempt)
})

/** Whether the volume is kept as it is for that copy. */
export const isMarkedFor = (target: Content.Content) => ({ comment }: RdsVolume): boolean =>
  Option.exists(ItemComment.copyOf(comment), (to) => Content.isSame(to, target))

const notStopped = (target: Content.Content) =>
  new CopyRunning({ message: `the copy to ${Content.describe(target)} does not end; try again later` })
