import { Data, Effect, Schedule, type Scope } from "effect"
import ssh2, { type Client, type ClientChannel, type ConnectConfig } from "ssh2"
import type { Simulator } from "../../../src/simulator/Simulator.ts"

/** The connection or the channel ended without an answer. */
export class SshEnded extends Data.TaggedError("SshEnded")<{ readonly reason: string }> {}

export interface Answer {
  readonly output: string
  /** Exit status; null when there was none. */
  readonly code: number | null
}

/** A logged-in connection that is closed with the scope. */
export const connect = (
  { host, port }: Pick<Simulator, "host" | "port">,
  options: Omit<ConnectConfig, "host" | "port">
): Effect.Effect<Client, SshEnded, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Client, SshEnded>((resume) => {
      const client = new ssh2.Client()
      client.once("ready", () => resume(Effect.succeed(client)))
      client.on("error", (error) => resume(Effect.fail(new SshEnded({ reason: error.message }))))
      client.on("close", () => resume(Effect.fail(new SshEnded({ reason: "closed" }))))
      client.connect({ host, port, username: "csi", readyTimeout: 5000, ...options })
      client.setNoDelay(true)
    }),
    (client) => Effect.sync(() => client.destroy())
  )

/** Runs one exec request to its end; fails when the connection goes first. */
export const exec = (client: Client, line: string): Effect.Effect<Answer, SshEnded> =>
  Effect.callback<Answer, SshEnded>((resume) => {
    const lost = () => resume(Effect.fail(new SshEnded({ reason: "connection lost" })))
    client.once("close", lost)
    client.exec(line, (error, channel) => {
      if (error) return resume(Effect.fail(new SshEnded({ reason: error.message })))
      collect(channel, (answer) => {
        client.off("close", lost)
        resume(answer.code === null ? Effect.fail(new SshEnded({ reason: "no exit status" })) : Effect.succeed(answer))
      })
    })
  })

const collect = (channel: ClientChannel, done: (answer: Answer) => void) => {
  const chunks: Array<Buffer> = []
  let code: number | null = null
  channel.on("data", (chunk: Buffer) => chunks.push(chunk))
  channel.stderr.on("data", (chunk: Buffer) => chunks.push(chunk))
  channel.on("exit", (status: number | null) => {
    code = status
  })
  channel.on("close", () => done({ output: Buffer.concat(chunks).toString(), code }))
  channel.end()
}

/** Waits until the condition holds, looking again every few milliseconds; the test's own limit ends a wait in vain. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("5 millis") }).pipe(Effect.asVoid)
