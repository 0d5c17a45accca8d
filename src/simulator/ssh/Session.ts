import { Effect } from "effect"
import type { AcceptConnection, Session } from "ssh2"
import { type Client, defaultWidth } from "./Client.ts"
import { makeExec } from "./Exec.ts"
import type { Terminal } from "./LineReader.ts"
import { makeShell } from "./Shell.ts"

/** Starts an effect that lives no longer than the connection. */
export type Run = (effect: Effect.Effect<void>) => void

/** Serves one session channel of a client, with one exec request or one shell, until it is closed. */
export const makeSessions = Effect.gen(function*() {
  const exec = yield* makeExec
  const shell = yield* makeShell

  return (client: Client, accept: AcceptConnection<Session>, run: Run) =>
    Effect.callback<void>((resume) => {
      const session = accept()
      const terminal: Terminal = { width: client.width ?? defaultWidth, interactive: false }
      const resize = (cols: number) => {
        terminal.width = client.width ?? (cols > 0 ? cols : defaultWidth)
      }
      // Requests that want no reply come without a function to accept them.
      session.on("pty", (accept, _reject, { cols }) => {
        terminal.interactive = true
        resize(cols)
        accept?.()
      })
      session.on("window-change", (accept, _reject, { cols }) => {
        resize(cols)
        accept?.()
      })
      session.on("exec", (accept, _reject, { command }) => {
        run(exec({ client, channel: silenced(accept()), command, width: terminal.width }))
      })
      session.on("shell", (accept) => {
        run(shell(client, silenced(accept()), terminal))
      })
      session.on("close", () => resume(Effect.void))
    })
})

// Writing to a channel that the client has closed is an error event, and no news.
const silenced = <A extends NodeJS.EventEmitter>(channel: A): A => channel.on("error", () => {})
