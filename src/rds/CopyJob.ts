import { Effect, Option } from "effect"
import * as Base32 from "../volume/Base32.ts"
import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { type VolumePath, withoutSlash } from "../volume/PathRules.ts"
import * as Uuid from "../volume/Uuid.ts"
import { FileRows } from "./Appliance.ts"
import { type Facts, read, report } from "./Facts.ts"
import { recordFile } from "./ImageRecords.ts"
import type { RdsVolume } from "./Model.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { quoted, ros, type RosScript } from "./RouterOs.ts"

// `/file/copy` (RouterOS 7.23) takes as long as the file is large, longer than an SSH command may. So a script of the
// appliance runs it in the background, by `:execute`, and writes down that it is done; the driver asks after it.

/** Name of the appliance's script, which its job has as well. */
const jobName = (target: Content.Content): string =>
  `rds-csi-copy-${Base32.encode(Uuid.toBytes(Uuid.v5(Content.encode(target))))}`

/** How many jobs copy to the target: one, or none. */
const countJobs = (target: Content.Content): RosScript =>
  ros`[:len [/system/script/job/find where script=${jobName(target)}]]`

/** Reports how many jobs copy to the target. */
export const reportJobs = (target: Content.Content): RosScript => report("jobs", countJobs(target))

/** Reports how many scripts there are for it. */
export const reportScripts = (target: Content.Content): RosScript =>
  report("scripts", ros`[:len [/system/script/find where name=${jobName(target)}]]`)

/** Reports the jobs, how much there is of the file, and what stopped the last job. */
export const reportCopy = (target: Content.Content, path: VolumePath): RosScript =>
  ros`${reportJobs(target)};
    ${report("copied", ros`[/file/print detail as-value where name=${withoutSlash(path)}]`)};
    :foreach i in=[/system/script/find where name=${jobName(target)}] do={
      ${report("failed", ros`[/system/script/get $i comment]`)}
    };`

/** Reports how much there is of the file of a target of which only the record tells where it is. */
export const reportCopied = (target: Content.Content, config: RdsConfig): RosScript =>
  ros`:foreach i in=[/file/find where name=${recordFile(target, config)}] do={
    :local rc [/file/get $i contents];
    :local rn [:pick $rc ([:find $rc " path=/"] + 7) [:len $rc]];
    ${report("copied", ros`[/file/print detail as-value where name=$rn]`)}
  };`

/** The bytes that were reported; 0 of what is not there. */
export const readCopied = Effect.fnUntraced(function*(facts: Facts) {
  const [file] = facts.has("copied") ? yield* read(facts, "copied", FileRows) : []
  return file?.size ?? 0n
})

/** Whether the item in the variable `i` is not being copied. */
export const isUnmarked: RosScript = ros`!([:tostr [/disk/get $i comment]] ~ "copying=")`

/** Marks the volume as being copied and takes it off the network in one step, unless it is marked already. */
export const stillScript = ({ comment, nqn }: RdsVolume, target: Content.Content): RosScript =>
  ros`:foreach i in=[/disk/find where nvme-tcp-server-nqn=${nqn} and type=file] do={
    :if (${isUnmarked}) do={ /disk/set $i comment=${ItemComment.withCopy(comment, target)} nvme-tcp-export=no }
  };`

/** Ends that, unless the job runs: the volume is as it was before. */
export const releaseScript = (volume: RdsVolume, target: Content.Content): RosScript =>
  ros`:if (${countJobs(target)} = 0) do={ ${unmarkScript(volume)} };`

const unmarkScript = ({ comment, nqn }: RdsVolume): RosScript =>
  ros`:foreach i in=[/disk/find where nvme-tcp-server-nqn=${nqn} and comment=${comment}] do={
    /disk/set $i comment=${ItemComment.withoutCopy(comment)} nvme-tcp-export=yes
  };`

/** A backing file to be copied. */
export interface Copy {
  /** Of what the copy is for, in the state `copying`. */
  readonly record: ImageRecord
  readonly from: VolumePath
  /** The volume whose file it is, marked; none for a snapshot, which nobody can change. */
  readonly still: Option.Option<RdsVolume>
}

/**
 * Removes what an earlier attempt left, and lays the script ready, unless its job runs. The longer list of policies is for
 * a RouterOS on which files need `ftp`; nobody can give a script what they lack themselves.
 */
export const prepareScript = (copy: Copy, config: RdsConfig): RosScript => {
  const { path, target } = copy.record
  const name = jobName(target)
  const add = ros`/system/script/add name=${name} source=$cs`
  return ros`:if (${countJobs(target)} = 0) do={
    :local cs ${quoted(jobScript(copy, config))};
    :if ([:len [/disk/find where file-path=${path}]] = 0) do={
      /file/remove [/file/find where name=${withoutSlash(path)}]
    };
    /system/script/remove [/system/script/find where name=${name}];
    :onerror x in={ ${add} policy=ftp,read,write,test } do={ ${add} policy=read,write,test }
  };`
}

/** Starts the job, unless it runs. That it is there can be seen a moment later only, which is waited for. */
export const startScript = (target: Content.Content): RosScript =>
  ros`:if (${countJobs(target)} = 0) do={
    :execute script=${quoted(ros`/system/script/run ${jobName(target)}`)};
    :for i from=1 to=10 do={ :if (${countJobs(target)} = 0) do={ :delay 20ms } }
  };`

/** Removes the script of a job that has ended. */
export const dropScript = (target: Content.Content): RosScript =>
  ros`:if (${countJobs(target)} = 0) do={ /system/script/remove [/system/script/find where name=${jobName(target)}] };`

/** Ends the job, and removes its script. */
export const stopScript = (target: Content.Content): RosScript =>
  ros`/system/script/job/remove [/system/script/job/find where script=${jobName(target)}]; ${dropScript(target)}`

/**
 * Copies, and only if the volume was still from beginning to end and nothing else copied to the same file, writes down
 * that the copy is complete. Whatever happened, it ends by releasing the volume. A second job leaves all as it is.
 */
const jobScript = ({ from, record, still }: Copy, config: RdsConfig): RosScript => {
  const { path, target } = record
  const isAlone = ros`([:len [/system/script/job/find where script=$jn]] = 1)`
  const marked = ros`nvme-tcp-server-nqn=$vq and comment~$vm`
  const isStill = Option.isNone(still)
    ? ros`true`
    : ros`([:len [/disk/find where ${marked} and !nvme-tcp-export]] = 1)`
  const volume = Option.map(
    still,
    ({ nqn }) => ros`:local vq ${nqn}; :local vm ${`copying=${Content.encode(target)}\$`};`
  )
  return ros`:local jn ${jobName(target)};
    :if ${isAlone} do={
      :local vo ${withoutSlash(from)}; :local vn ${withoutSlash(path)}; ${Option.toArray(volume)}
      :onerror e in={
        :if (([:len [/file/find where name=$vn]] = 0) && ${isStill}) do={
          /file/copy $vo name=$vn;
          :local so [/file/get [/file/find where name=$vo] size];
          :local sn [/file/get [/file/find where name=$vn] size];
          :if (($so = $sn) && ${isAlone} && ${isStill}) do={ ${markCopied(target, config)} }
        }
      } do={ /system/script/set [/system/script/find where name=$jn] comment=("failed: " . $e) };
      ${Option.isNone(still) ? ros`` : ros`:foreach i in=[/disk/find where ${marked}] do={ ${unmark} }`}
    }`
}

/** In the record, which is not copied into the script for its length. */
const markCopied = (target: Content.Content, config: RdsConfig): RosScript =>
  ros`:local rf [/file/find where name=${recordFile(target, config)}];
    :local rc [/file/get $rf contents];
    :local rp [:find $rc " state=copying "];
    /file/set $rf contents=([:pick $rc 0 $rp] . " state=copied " . [:pick $rc ($rp + 15) [:len $rc]])`

/** Of the item in the variable `i`, whatever else its comment says. */
const unmark = ros`:local ic [/disk/get $i comment]; :local ip [:find $ic "copying="];
  :if ($ip > 0) do={ :set ip ($ip - 1) };
  /disk/set $i comment=[:pick $ic 0 $ip] nvme-tcp-export=yes`
