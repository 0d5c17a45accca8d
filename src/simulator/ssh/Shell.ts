import { Effect, Queue } from "effect"
import type { ServerChannel } from "ssh2"
import { Console } from "../Console.ts"
import { Device } from "../device/Device.ts"
import { makeSession, type Session } from "../language/Session.ts"
import { makeCallers } from "./Callers.ts"
import type { Client } from "./Client.ts"
import { openedBy } from "./Continuation.ts"
import { type Key, keysOf } from "./LineEditor.ts"
import { type LineReader, readLine, type Terminal } from "./LineReader.ts"

const quitWords: ReadonlySet<string> = new Set(["/quit", "quit", "/ quit"])

/**
 * The command line: prompt with the current menu, line editing, history, completion by Tab, `/quit`. Without a
 * pseudo-terminal it only runs what comes in and writes what that prints.
 */
export const makeShell = Effect.gen(function*() {
  const console = yield* Console
  const device = yield* Device
  const callerOf = yield* makeCallers

  return Effect.fnUntraced(function*(client: Client, channel: ServerChannel, terminal: Terminal) {
    const keys = yield* Queue.unbounded<Key>()
    channel.on("data", (chunk: Buffer) => keysOf(chunk.toString("utf8")).forEach((key) => Queue.offerUnsafe(keys, key)))
    channel.on("end", () => Queue.offerUnsafe(keys, { _tag: "Control", name: "end-of-input" }))
    const write = (text: string) => Effect.sync(() => void channel.write(text))
    const show = (text: string) => terminal.interactive ? write(text) : Effect.void
    const session = makeSession()
    const history: Array<string> = []
    const typedAhead: Array<Key> = []
    const nextKey = Effect.suspend(() => {
      const key = typedAhead.shift()
      return key === undefined ? Queue.take(keys) : Effect.succeed(key)
    })
    const reader = {
      history,
      nextKey,
      write: show,
      terminal,
      complete: (text: string) => console.complete(session, text)
    }

    yield* show(banner(device.config.version))
    while (true) {
      const { identity } = yield* device.state
      const line = yield* readCommand(reader, promptOf(client.user, identity, session))
      if (line === undefined || quitWords.has(line.trim())) break
      const caller = yield* callerOf(client)
      const script = console.run({ line, session, caller, terminalWidth: terminal.width, emit: write })
      yield* Effect.raceFirst(script, interruptKey(keys, typedAhead))
    }
    channel.exit(0)
    channel.end()
  })
})

const banner = (version: string) =>
  `\r\n  MikroTik RouterOS ${version}, as answered by rds-csi simulator\r\n\r\n` +
  `  Tab completes, up and down recall lines, /quit leaves\r\n\r\n`

/** As RouterOS 7 writes it: `[csi@RDS] > ` at the root, `[csi@RDS] /disk> ` in a menu. */
const promptOf = (user: string, identity: string, session: Session) =>
  `[${user}@${identity}] ${session.menu === "/" ? "" : session.menu}> `

// What is typed while a command runs is kept for the lines after it; Ctrl-C ends the command.
const interruptKey = Effect.fnUntraced(function*(keys: Queue.Dequeue<Key>, typedAhead: Array<Key>) {
  while (true) {
    const key = yield* Queue.take(keys)
    if (key._tag === "Control" && key.name === "interrupt") return
    typedAhead.push(key)
  }
})

/** A command, of several lines when brackets or quotes are left open; undefined when the input ended. */
const readCommand = Effect.fnUntraced(function*(reader: LineReader & { history: Array<string> }, prompt: string) {
  let command: string | undefined
  while (true) {
    const opened = command === undefined ? undefined : openedBy(command)
    if (opened === undefined && command !== undefined) return command
    const line = yield* readLine(reader, opened === undefined ? prompt : `${opened}... `)
    if (line._tag === "Ended") return undefined
    if (line._tag === "Interrupted") {
      command = undefined
      continue
    }
    if (line.text !== "" && reader.history.at(-1) !== line.text) reader.history.push(line.text)
    command = command === undefined ? line.text : `${command}\n${line.text}`
  }
})
