import { Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { controlHelp } from "../simulator/ControlSocket.ts"
import { faultGrammar } from "../simulator/faults/FaultRule.ts"
import type { Simulator } from "../simulator/Simulator.ts"
import { CannotServe } from "./Exit.ts"
import { type SimulatorFlags, simulatorFlags } from "./SimulatorFlags.ts"

const description =
  `A MikroTik ROSE Data Server to run against: SSH, the RouterOS command line, disks, files and pools. It has no data \
plane unless --exports=nvmet gives it one. Where neither the manual nor a device says how RouterOS behaves, it takes the reading \
that is harder on a client; the --unsure flags choose the other.

FAULT RULES (--fault, and add-fault on the control socket)
${faultGrammar}

CONTROL SOCKET (--control-socket PATH, then for example: nc -U PATH)
${controlHelp}`

/** `rds-csi simulator`: runs a device until it is stopped. */
export const simulatorCommand = Command.make(
  "simulator",
  simulatorFlags,
  (flags) =>
    Effect.gen(function*() {
      const { Simulator } = yield* Effect.promise(() => import("../simulator/Simulator.ts"))
      const { simulatorSettings } = yield* Effect.promise(() => import("./SimulatorSettings.ts"))
      const simulator = yield* Effect.mapError(
        Simulator.start(yield* simulatorSettings(flags)),
        ({ message }) => new CannotServe({ message })
      )
      yield* Console.log(flags.json ? readyJson(simulator) : readyText(simulator, flags))
      return yield* Effect.never
    }).pipe(Effect.scoped)
).pipe(
  Command.withShortDescription("Run a simulated appliance to SSH into"),
  Command.withDescription(description),
  Command.withExamples(({ commandPath }) => {
    const command = `${commandPath.join(" ")} --authorized-key csi=~/.ssh/id_ed25519.pub`
    return [
      { command, description: "A device on port 2222; then: ssh -p 2222 csi@127.0.0.1 /disk/print" },
      { command: `${command} --state-dir ./rds --latency 50ms --jitter 10ms`, description: "Kept over restarts, slow" },
      {
        command: `${command} --fault "cut=after match=/disk/add count=2"`,
        description: "The answers to the first two /disk/add are lost"
      },
      {
        command: `${command} --fault "reboot=during match=/disk/add down=5s" --control-socket /run/rds.sock`,
        description: "Restarts in the middle of the first /disk/add; more faults through the socket"
      },
      { command: `${command} --ros-version 7.20.8`, description: "A device that is too old for the driver" }
    ]
  })
)

const readyJson = ({ host, hostKeys, port }: Simulator) =>
  JSON.stringify({ ready: true, host, port, hostKey: hostKeys.authorizedKeys, knownHosts: hostKeys.knownHosts })

const readyText = ({ host, hostKeys, port }: Simulator, flags: SimulatorFlags) => {
  const user = flags.authorizedKeys[0]?.split("=")[0] ?? ""
  const control = Option.match(flags.controlSocket, {
    onNone: () => [],
    onSome: (path) => [`control      nc -U ${path}`]
  })
  return [
    `host key     ${hostKeys.authorizedKeys}`,
    `known_hosts  ${hostKeys.knownHosts}`,
    `try          ssh -p ${port} ${user}@${host} /disk/print`,
    ...control,
    `ready        on ${host}:${port}, RouterOS ${flags.rosVersion}`
  ].join("\n")
}
