import { Effect, Ref, Schedule, Schema } from "effect"
import { generateSshKeyPair } from "../../../src/simulator/Keys.ts"
import { base } from "../../support/TestCluster.ts"
import type { GuestError } from "./Agent.ts"
import { sshPort } from "./Machines.ts"
import type { Vm } from "./Vm.ts"

const Ready = Schema.fromJsonString(Schema.Struct({ hostKey: Schema.String }))
const Said = Schema.Struct({ ok: Schema.Literal(true), output: Schema.optionalKey(Schema.String) })

const controlSocket = "/run/rds.sock"
const keyFile = "/var/lib/csi.pub"

/** The simulated appliance in a machine, with the kernel's NVMe target for its exports. */
export type Appliance = Effect.Success<ReturnType<typeof makeAppliance>>

/** An appliance that is not started yet, with that file system on its pool, and the key of its user `csi`. */
export const makeAppliance = Effect.fnUntraced(function*(vm: Vm, fs: "xfs" | "btrfs" = "xfs") {
  const key = yield* generateSshKeyPair("csi@vm")
  yield* vm.writeFile(keyFile, new TextEncoder().encode(key.publicKey))
  const control = (question: object) => vm.ask(controlSocket, question, Said)
  const running = yield* Ref.make<Effect.Effect<unknown, GuestError>>(Effect.void)
  return {
    vm,
    privateKey: key.privateKey,
    /** The file in the machine that is behind a volume. */
    imageOf: (volumeId: string) => `/var/lib/rds/files${base}/${volumeId}.img`,
    /** Starts the simulator and waits until it serves; answers its host key. Again after each boot of the machine. */
    start: Effect.gen(function*() {
      const { log, outcome, pid } = yield* vm.start([
        ["node", "/programs/dist/rds-csi.js", "simulator", "--json", "--exports=nvmet", "--state-dir=/var/lib/rds"],
        [
          "--host=0.0.0.0",
          `--port=${sshPort}`,
          `--authorized-key=csi=${keyFile}`,
          `--control-socket=${controlSocket}`,
          `--pool=slot=storage-pool,size=16T,fs=${fs}`,
          `--directory=${base}`
        ]
      ].flat())
      const ready = Effect.map(vm.readFile(log), (bytes) => new TextDecoder().decode(bytes)).pipe(
        Effect.flatMap((text) =>
          Schema.decodeEffect(Ready)(text.split("\n").find((line) => line.startsWith("{")) ?? "")
        ),
        Effect.retry({ times: 600, schedule: Schedule.spaced("200 millis") })
      )
      const ended = Effect.flatMap(outcome, ({ stdout }) => Effect.die(`the simulator has ended: ${stdout}`))
      const { hostKey } = yield* Effect.raceFirst(ready, ended)
      yield* Ref.set(running, Effect.andThen(vm.sh(`kill ${pid}`), outcome))
      return { hostKey }
    }),
    /** Ends the simulator in order, and with it the exports. */
    stop: Effect.flatten(Ref.get(running)),
    /** Runs a command line on its console; answers what it prints. */
    console: (line: string) => Effect.map(control({ op: "run", line }), ({ output = "" }) => output.trim()),
    /** Restarts the device; its SSH and its exports are away for that time. */
    reboot: (seconds: number) => Effect.asVoid(control({ op: "reboot", down: `${seconds * 1000}ms` }))
  }
})
