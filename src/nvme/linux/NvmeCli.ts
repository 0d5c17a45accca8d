import { type Duration, Effect } from "effect"
import { type CommandResult, HostCommand } from "../../linux/HostCommand.ts"
import type { ConnectionTuning } from "../../volume/ConnectionTuning.ts"
import type { Nqn } from "../../volume/Nqn.ts"
import type { FabricTarget } from "../NvmeFabric.ts"

/** How a connect ended, as far as nvme-cli tells. Only the kernel's state says what came of it. */
export type ConnectOutcome =
  | { readonly _tag: "Connected" }
  | { readonly _tag: "AlreadyConnected"; readonly reason: string }
  | { readonly _tag: "Refused"; readonly reason: string }
  /** It was stopped at its limit or died. The kernel may still be connecting. */
  | { readonly _tag: "Unknown"; readonly reason: string }

const program = "nvme"

/** nvme-connect(1). */
export const connect = Effect.fnUntraced(function*(target: FabricTarget, limit: Duration.Input) {
  const commands = yield* HostCommand
  return yield* commands.run(program, connectArguments(target), { limit }).pipe(
    Effect.map(outcomeOf),
    Effect.catchTag(
      "CommandFailed",
      ({ message }) => Effect.succeed<ConnectOutcome>({ _tag: "Unknown", reason: message })
    )
  )
})

/**
 * nvme-disconnect(1): removes every controller of the subsystem with exactly this name. Answers what the program said, since
 * it exits with 0 also when it removed nothing.
 */
export const disconnect = Effect.fnUntraced(function*(nqn: Nqn, limit: Duration.Input) {
  const commands = yield* HostCommand
  return yield* commands.run(program, ["disconnect", `--nqn=${nqn}`], { limit }).pipe(
    Effect.map(whatItSaid),
    Effect.catchTag("CommandFailed", ({ message }) => Effect.succeed(message))
  )
})

const connectArguments = ({ nqn, address, port, hostNqn, hostId, tuning }: FabricTarget): ReadonlyArray<string> => [
  "connect",
  "--transport=tcp",
  `--traddr=${address}`,
  `--trsvcid=${port}`,
  `--nqn=${nqn}`,
  `--hostnqn=${hostNqn}`,
  `--hostid=${hostId}`,
  ...tuningArguments(tuning)
]

/** An absent option leaves the default; nvme-cli passes `ctrl_loss_tmo=0` on, which means "give up at once". */
const tuningArguments = ({ ctrlLossTmo, reconnectDelay, keepAliveTmo }: ConnectionTuning): ReadonlyArray<string> => [
  ...(ctrlLossTmo === 0 ? [] : [`--ctrl-loss-tmo=${ctrlLossTmo}`]),
  `--reconnect-delay=${reconnectDelay}`,
  ...(keepAliveTmo === 0 ? [] : [`--keep-alive-tmo=${keepAliveTmo}`])
]

const outcomeOf = (result: CommandResult): ConnectOutcome => {
  if (result.code === 0) return { _tag: "Connected" }
  const reason = whatItSaid(result)
  return { _tag: already.test(reason) ? "AlreadyConnected" : "Refused", reason }
}

/** libnvme's text (with three n in some releases), and the C library's for the kernel's EALREADY. */
const already = /already conn+ected|operation already in progress/i

/** Fit for a message: on one line and not long. */
const whatItSaid = ({ code, stdout, stderr }: CommandResult) => {
  const said = (stderr.trim() === "" ? stdout : stderr).replace(/[\s\p{Cc}]+/gu, " ").trim()
  return `${program} ended with code ${code}${said === "" ? "" : `: ${said.slice(0, 300)}`}`
}
