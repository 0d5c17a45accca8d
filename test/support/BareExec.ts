import { Data, Effect, Pool } from "effect"
import ssh2 from "ssh2"
import type { SimulatorProcess } from "./SimulatorProcess.ts"

/** What the driver opens when nobody says otherwise (`--ssh-connections`). */
export const connections = 4

/** The least that can be asked of the appliance. */
export const leastCommand = ":put 1"

/** The appliance could not be reached without the driver. */
export class BareExecFailed extends Data.TaggedError("BareExecFailed")<{ readonly message: string }> {}

/**
 * The floor for everything that asks the appliance: one SSH command without a driver, on as many connections as the driver
 * has, one command at a time on each.
 */
export const openBareExec = Effect.fnUntraced(function*(appliance: SimulatorProcess) {
  const pool = yield* Pool.make({ acquire: connect(appliance), size: connections })
  return { exec: (line: string) => Effect.scoped(Effect.flatMap(Pool.get(pool), (client) => exec(client, line))) }
})

const connect = ({ host, port, privateKey, user }: SimulatorProcess) =>
  Effect.acquireRelease(
    Effect.callback<ssh2.Client, BareExecFailed>((resume) => {
      const client = new ssh2.Client()
      client.once("ready", () => resume(Effect.succeed(client)))
      client.on("error", ({ message }) => resume(Effect.fail(new BareExecFailed({ message }))))
      client.connect({ host, port, username: user, privateKey })
      client.setNoDelay(true)
    }),
    (client) => Effect.sync(() => client.end())
  )

const exec = (client: ssh2.Client, line: string) =>
  Effect.callback<string, BareExecFailed>((resume) => {
    client.exec(line, (error, channel) => {
      if (error !== undefined) return resume(Effect.fail(new BareExecFailed({ message: error.message })))
      let output = ""
      channel.on("data", (bytes: Buffer) => output += bytes.toString())
      channel.on("close", () => resume(Effect.succeed(output)))
      channel.end()
    })
  })
