import { Effect, Option } from "effect"
import type { VolumeId } from "../volume/VolumeId.ts"
import { ApplianceUnsupported } from "./Errors.ts"
import { report } from "./Facts.ts"
import * as HostList from "./HostList.ts"
import type { HostLimit } from "./Model.ts"
import { refusal } from "./Refusal.ts"
import { ros, type RosScript } from "./RouterOs.ts"
import { change, type Run } from "./Run.ts"
import { disksWhere, readVolume, withNqnOf } from "./Volumes.ts"

/** Sets who may connect to the volume, unless it is set already, and reads it back. */
export const limitHosts = (run: Run) =>
  Effect.fn("RdsClient.limitHosts")(function*(id: VolumeId, limit: HostLimit) {
    const attempt = `limit the hosts of volume ${id}`
    const { facts, failure } = yield* change(run, limitScript(id, limit), readBack(id), attempt)
    const volume = yield* readVolume(facts, id)
    if (Option.isNone(volume) || isAs(limit, volume.value.allowedHosts)) return
    if (Option.isSome(failure)) return yield* refusal(attempt, failure)
    return yield* new ApplianceUnsupported({
      message: `the appliance does not keep which hosts may connect to volume ${id}: it reads ` +
        "nvme-tcp-server-allow-host-name otherwise than it was set; use --host-access=any"
    })
  })

const isAs = ({ hosts, whenOpen }: HostLimit, allowed: Option.Option<ReadonlyArray<string>>) =>
  Option.match(allowed, {
    onNone: () => whenOpen === "leave",
    onSome: (names) => new Set(names).symmetricDifference(new Set(hosts)).size === 0
  })

/** `vw`, who shall be let in; `vh`, who is. */
const limitScript = (id: VolumeId, { hosts, whenOpen }: HostLimit): RosScript => {
  const isDue = whenOpen === "limit" ? ros`$vh != $vw` : ros`($vh != $vw) && ([:len $vh] > 0)`
  return ros`:local vw ${HostList.encode(hosts)};
    :foreach i in=[/disk/find where ${withNqnOf(id)} and type=file] do={
      :local vh [:tostr [/disk/get $i nvme-tcp-server-allow-host-name]];
      :if (${isDue}) do={ /disk/set $i nvme-tcp-server-allow-host-name=$vw }
    };
    ${readBack(id)}`
}

const readBack = (id: VolumeId): RosScript => report("disks", disksWhere(withNqnOf(id)))
