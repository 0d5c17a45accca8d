import { Effect, Option } from "effect"
import { withoutSlash } from "../volume/PathRules.ts"
import { report } from "./Facts.ts"
import type { RdsVolume } from "./Model.ts"
import { refusal } from "./Refusal.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, type Run } from "./Run.ts"
import { disksWhere, readVolume, withNqnOf } from "./Volumes.ts"

/** Compares and switches in one script, so that what is switched is what the caller has judged. */
export const switchExport = (run: Run) =>
  Effect.fn("RdsClient.switchExport")(function*(seen: RdsVolume, exported: boolean) {
    const attempt = `switch the export of volume ${seen.id} ${exported ? "on" : "off"}`
    const script = ros`:foreach i in=[/disk/find where ${
      isExactly(seen)
    }] do={ /disk/set $i nvme-tcp-export=${exported} };
      ${readBack(seen)}`
    const { facts, failure } = yield* change(run, script, readBack(seen), attempt)
    const volume = yield* readVolume(facts, seen.id)
    const same = Option.filter(volume, isSameItem(seen))
    if (Option.exists(same, (now) => now.exported !== exported)) return yield* refusal(attempt, failure)
    return same
  })

/** Whether it is the same item with the same file and the same comment, whatever its size and export are by now. */
const isSameItem = (seen: RdsVolume) => (now: RdsVolume): boolean =>
  now.slot === seen.slot && now.path === seen.path && now.comment === seen.comment

const isExactly = ({ comment, id, path, slot }: RdsVolume): RosScript =>
  ros`type=file and slot=${slot} and ${withNqnOf(id)} and comment=${comment}
    and (file-path=${path} or file-path=${withoutSlash(path)})`

const readBack = ({ id }: RdsVolume): RosScript => report("disks", disksWhere(withNqnOf(id)))
