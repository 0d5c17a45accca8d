import { Clock, Effect, Schedule } from "effect"
import { Nqn } from "../../../src/volume/Nqn.ts"
import type { Appliance } from "./Appliance.ts"
import { Cluster } from "./Cluster.ts"
import { initiator } from "./Initiator.ts"
import { Machines } from "./Machines.ts"
import { bootSeconds, type Outage } from "./OutagePlan.ts"
import type { Vm } from "./Vm.ts"

/** A volume with a pod that writes. */
export interface Subject {
  readonly vm: Vm
  readonly volumeId: string
  readonly reconnectDelaySeconds: number
}

/** When the exports were away, in milliseconds of the test's clock. */
export interface Absence {
  readonly away: number
  readonly back: number
}

/** `nqn` of a volume id, as the appliance exports it. */
export const nqnOf = (volumeId: string) => `${Nqn.prefix}${volumeId}`

/** Switches the exports of these volumes on or off. */
export const exported = (appliance: Appliance, volumeIds: ReadonlyArray<string>, yes: boolean) =>
  Effect.forEach(volumeIds, (volumeId) =>
    appliance.console(
      `/disk/set [find where nvme-tcp-server-nqn="${nqnOf(volumeId)}"] nvme-tcp-export=${yes ? "yes" : "no"}`
    ), { discard: true })

/** Lets the appliance be out of reach as the outage says. Ends when the exports are back; the nodes may not have noticed yet. */
export const endure = Effect.fnUntraced(function*({ kind, seconds }: Outage, subjects: ReadonlyArray<Subject>) {
  const { lan } = yield* Machines
  const { appliance } = yield* Cluster
  const ids = subjects.map(({ volumeId }) => volumeId)
  const listed = ids.map((volumeId) => `-e /sys/kernel/config/nvmet/ports/4420/subsystems/${nqnOf(volumeId)}`)
  const served = appliance.vm.sh(`test ${listed.join(" -a ")}`).pipe(
    Effect.timeout("5 seconds"),
    Effect.retry({ times: 2000, schedule: Schedule.spaced("100 millis") })
  )
  const away = yield* Clock.currentTimeMillis
  const wait = (total: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, away + total * 1000 - now)))
  switch (kind) {
    case "export":
      yield* exported(appliance, ids, false)
      yield* wait(seconds)
      yield* exported(appliance, ids, true)
      break
    case "appliance":
      yield* appliance.reboot(seconds)
      yield* wait(seconds)
      yield* served
      break
    case "port":
      yield* lan.closePort(4420, true)
      yield* wait(seconds)
      yield* lan.closePort(4420, false)
      break
    case "cable":
      yield* lan.cut("rds", true)
      yield* wait(seconds)
      yield* lan.cut("rds", false)
      break
    case "machine": {
      yield* appliance.stop
      yield* appliance.vm.powerOff
      yield* wait(seconds - bootSeconds)
      yield* appliance.vm.powerOn
      const back = Effect.andThen(served, Clock.currentTimeMillis)
      const [at] = yield* Effect.all([back, appliance.start], { concurrency: 2 })
      return { away, back: at } satisfies Absence
    }
  }
  return { away, back: yield* Clock.currentTimeMillis } satisfies Absence
})

/** Waits until the node has the volume's connection again. */
export const reconnected = ({ vm, volumeId }: Subject) =>
  initiator(vm, nqnOf(volumeId)).state.pipe(
    Effect.filterOrFail((state) => state === "live", (state) => `the connection of ${volumeId} is ${state}`),
    Effect.retry({ times: 300, schedule: Schedule.spaced("200 millis") })
  )

/**
 * How long after the return of the exports the pod's write went through that had waited for them; undefined when no write
 * waited. `stalls` are the long writes by the uptime of the machine, which the test's clock is `offset` ahead of.
 */
export const resumeMillis = (
  { away, back }: Absence,
  stalls: ReadonlyArray<{ readonly from: number; readonly to: number }>,
  offset: number
): number | undefined => {
  const felt = stalls.filter(({ from, to }) => from + offset < back && to + offset > away)
  return felt.length === 0 ? undefined : Math.max(0, Math.round(Math.max(...felt.map(({ to }) => to)) + offset - back))
}
