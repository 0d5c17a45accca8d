import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { applianceAddress, prepared } from "./support/Machines.ts"
import { nqnOf } from "./support/Outages.ts"
import { report, spread } from "./support/Report.ts"
import type { Vm } from "./support/Vm.ts"
import { formatted, raw } from "./support/Volumes.ts"

const rounds = 7

/**
 * What a stage or an unstage may take: so many times the bare commands, and so many milliseconds. The latter are those of a real
 * processor: the machines here are emulated, so they count as often as starting Node.js takes longer here than beside the test.
 */
const limit = { ratio: 1.15, plusMillis: 50 }

const timed = Effect.fnUntraced(function*<E, R>(work: Effect.Effect<unknown, E, R>) {
  const from = yield* Clock.currentTimeMillis
  yield* work
  return (yield* Clock.currentTimeMillis) - from
})

/** Connects, and waits for the block device, as a script does that knows nothing else. `$device` is its path then. */
const connect = (nqn: string) => `
  nvme connect --transport=tcp --traddr=${applianceAddress} --trsvcid=4420 --nqn=${nqn} --ctrl-loss-tmo=-1 --reconnect-delay=2
  device=
  until [ -n "$device" ]; do
    for s in /sys/class/nvme-subsystem/*; do
      read -r name < $s/subsysnqn
      [ "$name" = ${nqn} ] || continue
      for n in $s/nvme*n*; do [ -e $n/size ] && device=/dev/\${n##*/}; done
    done
    [ -n "$device" ] || sleep 0.02
  done
`
const disconnect = (nqn: string) => `nvme disconnect --nqn=${nqn}`

/** With the options of the driver. */
const mkfs = "mkfs.ext4 -q -m 0 -E nodiscard,lazy_itable_init=1,lazy_journal_init=0"

const scripts = {
  ext4: {
    stage: (nqn: string) =>
      `${connect(nqn)} ${mkfs} $device; mkdir -p /run/bare; mount -o nosuid,nodev $device /run/bare`,
    unstage: (nqn: string) => `umount /run/bare; ${disconnect(nqn)}`
  },
  block: { stage: connect, unstage: disconnect }
}

/** How much slower the machine is than the one that emulates it: medians of starting Node.js. */
const slowness = Effect.fnUntraced(function*(vm: Vm) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const start = ["-e", "0"]
  const beside = yield* Effect.replicateEffect(
    timed(spawner.exitCode(ChildProcess.make(process.execPath, start))),
    rounds
  )
  const inside = yield* Effect.replicateEffect(timed(vm.run(["node", ...start])), rounds)
  return spread(inside).median / spread(beside).median
})

describe.skipIf(prepared === undefined)("what the node plugin costs", () => {
  layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      "stage and unstage, against the bare commands in the same machine",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const rows: Array<{ readonly what: string; readonly bareMillis: number; readonly pluginMillis: number }> = []
        for (const kind of ["ext4", "block"] as const) {
          const capability = kind === "ext4" ? formatted("ext4") : raw
          const bare = { stage: Array<number>(), unstage: Array<number>() }
          const plugin = { stage: Array<number>(), unstage: Array<number>() }
          // The first round warms up.
          for (let round = 0; round <= rounds; round++) {
            const number = (kind === "ext4" ? 100 : 200) + 2 * round
            const one = nqnOf((yield* claim(pvc(number), capability, [nodeA])).volumeId)
            const other = nodeA.volume(yield* claim(pvc(number + 1), capability, [nodeA]))
            const figures = {
              bare: {
                stage: yield* timed(vm.sh(scripts[kind].stage(one))),
                unstage: yield* timed(vm.sh(scripts[kind].unstage(one)))
              },
              plugin: { stage: yield* timed(other.stage), unstage: yield* timed(other.unstage) }
            }
            if (round === 0) continue
            for (const step of ["stage", "unstage"] as const) {
              bare[step].push(figures.bare[step])
              plugin[step].push(figures.plugin[step])
            }
          }
          for (const step of ["stage", "unstage"] as const) {
            rows.push({
              what: `${step}, ${kind}`,
              bareMillis: spread(bare[step]).median,
              pluginMillis: spread(plugin[step]).median
            })
          }
        }
        const slower = yield* slowness(vm)
        const allowed = (bareMillis: number) => limit.ratio * bareMillis + limit.plusMillis * slower
        yield* report(
          "cost",
          { rounds, limit, emulationSlowness: slower, rows },
          `${slower.toFixed(1)} times as slow as a real processor: ` +
            rows.map(({ bareMillis, pluginMillis, what }) =>
              `${what} ${pluginMillis} ms, bare ${bareMillis} ms (${(pluginMillis / bareMillis).toFixed(2)} ×), ` +
              `allowed ${Math.round(allowed(bareMillis))} ms`
            ).join("; ")
        )
        for (const { bareMillis, pluginMillis, what } of rows) {
          assert.isAtMost(pluginMillis, allowed(bareMillis), what)
        }
      })
    )

    it.effect(
      "watching 100 staged volumes takes less than 1 % of a core",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const volumes = Array.from({ length: 100 }, (_, number) => pvc(1000 + number))
        const took = yield* timed(
          Effect.forEach(
            volumes,
            (name) => Effect.flatMap(claim(name, raw, [nodeA]), (claimed) => nodeA.volume(claimed).stage),
            { concurrency: 3 }
          )
        )
        yield* Effect.sleep("10 seconds")
        const pid = yield* nodeA.pid
        /** User and system time in ticks of 10 ms (proc(5), `/proc/pid/stat`). */
        const ticks = Effect.map(
          vm.sh(`cut -d " " -f 14,15 /proc/${pid}/stat`),
          (text) => text.split(" ").reduce((sum, number) => sum + Number(number), 0)
        )
        const before = yield* ticks
        const wall = yield* timed(Effect.sleep("40 seconds"))
        const cpuMillis = ((yield* ticks) - before) * 10
        const percent = 100 * cpuMillis / wall
        const slower = yield* slowness(vm)
        yield* report(
          "watch",
          {
            volumes: volumes.length,
            wallMillis: wall,
            cpuMillis,
            percent,
            emulationSlowness: slower,
            stagingMillis: took
          },
          `${volumes.length} staged volumes: ${percent.toFixed(2)} % of an emulated core, ` +
            `${(percent / slower).toFixed(2)} % of one that is ${slower.toFixed(1)} times as fast`
        )
        assert.isAbove(cpuMillis, 0)
        assert.isAtMost(percent / slower, 1)
      }),
      600_000
    )
  })
})
