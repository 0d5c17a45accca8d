import { Effect, Schedule, Schema } from "effect"
import { applianceAddress } from "./Machines.ts"
import type { Vm } from "./Vm.ts"

/** Finds things of a subsystem in /sys, whatever their names are today. */
export const initiator = (vm: Vm, nqn: string) => {
  const find = `for s in /sys/class/nvme-subsystem/*; do [ "$(cat $s/subsysnqn)" = ${nqn} ] || continue;`
  const device = vm.sh(`${find} for n in $s/nvme*n*; do [ -e $n/size ] && basename $n; done; done; true`)
  return {
    connect: (flags = "") =>
      vm.sh(
        `nvme connect -t tcp -a ${applianceAddress} -s 4420 -n ${nqn} --ctrl-loss-tmo=-1 --reconnect-delay=1 ${flags}`
      ),
    disconnect: vm.sh(`nvme disconnect -n ${nqn}`),
    /** `/dev/nvme…` of its namespace, when there is one. */
    device: device.pipe(
      Effect.filterOrFail((name) => /^nvme\d+n\d+$/.test(name), () => "no device"),
      Effect.map((name) => `/dev/${name}`),
      Effect.retry({ times: 50, schedule: Schedule.spaced("200 millis") })
    ),
    /** `live`, `connecting`, …; empty when there is no controller. */
    state: vm.sh(`${find} cat $s/nvme*/state; done 2>/dev/null; true`)
  }
}

const Written = Schema.fromJsonString(Schema.Struct({
  blocks: Schema.Int,
  slowestMillis: Schema.Number,
  /** The writes that took long, in milliseconds of the machine's uptime. */
  stalls: Schema.Array(Schema.Struct({ from: Schema.Number, to: Schema.Number }))
}))
const Verified = Schema.fromJsonString(Schema.Struct({ wrong: Schema.Int }))

const answerOf = Effect.fnUntraced(function*<A>(
  answer: Schema.ConstraintDecoder<A>,
  outcome: { readonly code: number; readonly stdout: string; readonly stderr: string }
) {
  if (outcome.code !== 0) {
    return yield* Effect.die(`the writer ended with ${outcome.code}: ${outcome.stdout}${outcome.stderr}`)
  }
  return yield* Effect.orDie(Schema.decodeUnknownEffect(answer)(outcome.stdout.trim().split("\n").at(-1)))
})

/**
 * Writes checkable blocks for so many seconds beside the test, and answers when it has begun; `written` fails when an I/O error
 * has reached it.
 */
export const startWriter = Effect.fnUntraced(function*(
  vm: Vm,
  path: string,
  seed: string,
  seconds: number,
  pauseMillis = 0
) {
  const order = ["write", path, seed, `${seconds}`, `${pauseMillis}`]
  const { log, outcome, pid } = yield* vm.start(["node", "/programs/writer.mjs", ...order])
  const written = Effect.flatMap(outcome, (ended) => answerOf(Written, ended))
  const begun = vm.sh(`grep -q writing ${log}`).pipe(
    Effect.retry({ times: 100, schedule: Schedule.spaced("200 millis") })
  )
  yield* Effect.raceFirst(begun, written)
  return {
    pid,
    /** When its time is over. */
    written,
    /** At once. */
    stop: Effect.andThen(vm.sh(`kill -TERM ${pid}`), written)
  }
})

/** How many of the blocks are not on the disk as they were written. */
export const wrongBlocks = Effect.fnUntraced(function*(vm: Vm, path: string, seed: string, blocks: number) {
  const ended = yield* vm.run(["node", "/programs/writer.mjs", "verify", path, seed, String(blocks)])
  return (yield* answerOf(Verified, ended)).wrong
})
