import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Client, ClientChannel } from "ssh2"
import { addDisk, startDevice } from "../support/Device.ts"
import { connect, SshEnded, until } from "../support/SshClient.ts"

interface Terminal {
  readonly channel: ClientChannel
  /** All that was shown, without the sequences that move the cursor. */
  readonly screen: () => string
  /** Types, and waits until the pattern is shown after that. */
  type(keys: string, shows: RegExp): Effect.Effect<string>
  readonly isClosed: () => boolean
}

const openShell = (client: Client, cols: number) =>
  Effect.callback<Terminal, SshEnded>((resume) => {
    client.shell({ cols, rows: 24, term: "xterm" }, (error, channel) => {
      if (error) return resume(Effect.fail(new SshEnded({ reason: error.message })))
      let shown = ""
      let closed = false
      channel.on("data", (chunk: Buffer) => {
        shown += chunk.toString()
      })
      channel.on("close", () => {
        closed = true
      })
      const screen = () => shown.replace(/\x1b\[[0-9]*[A-Za-z]/g, "")
      const type = Effect.fnUntraced(function*(keys: string, shows: RegExp) {
        const before = screen().length
        channel.write(keys)
        yield* until(Effect.sync(() => shows.test(screen().slice(before))))
        return screen().slice(before)
      })
      resume(Effect.succeed({ channel, screen, type, isClosed: () => closed }))
    })
  })

const login = Effect.fnUntraced(function*(cols?: number) {
  const started = yield* startDevice()
  const client = yield* connect(started.simulator, { privateKey: started.privateKey })
  const terminal = yield* openShell(client, cols ?? 100)
  yield* until(Effect.sync(() => terminal.screen().endsWith("> ")))
  return { ...started, client, terminal }
})

describe("interactive shell", () => {
  it.live("greets with the version and a prompt that follows the menu", () =>
    Effect.gen(function*() {
      const { terminal } = yield* login()
      assert.include(terminal.screen(), "RouterOS 7.24.4 (stable)")
      assert.include(terminal.screen(), "[csi@RDS] > ")
      yield* terminal.type("/disk\r", /\[csi@RDS\] \/disk> $/)
      yield* terminal.type("print count-only\r", /\r\n1\r\n.*\/disk> $/s)
      yield* terminal.type("/\r", /\[csi@RDS\] > $/)
    }))

  it.live("wraps print at the width of the terminal, also after it changed", () =>
    Effect.gen(function*() {
      const { simulator, terminal } = yield* login(60)
      yield* simulator.run(addDisk("x"))
      const longest = (text: string) =>
        Math.max(...text.split("\r\n").filter((line) => line.includes("nvme-tcp")).map((line) => line.length))
      assert.isAtMost(longest(yield* terminal.type("/disk/print detail\r", /offset=0\r\n\r\n.*> $/s)), 60)
      terminal.channel.setWindow(24, 140, 0, 0)
      assert.isAbove(longest(yield* terminal.type("/disk/print detail\r", /offset=0\r\n\r\n.*> $/s)), 100)
    }))

  it.live("edits, recalls, and completes", () =>
    Effect.gen(function*() {
      const { terminal } = yield* login()
      yield* terminal.type(":putt\x7f (12)\x1b[D\x1b[D+\r", /\r\n3\r\n.*> $/s)
      yield* terminal.type("\x1b[A\r", /\r\n3\r\n.*> $/s)
      yield* terminal.type("/sys\tres\tpri\t", /\/system\/?\s?resource\/?\s?print $/)
      yield* terminal.type("\r", /board-name: RDS2216/)
      yield* terminal.type("/disk/mo\t", /monitor-traffic $/)
      yield* terminal.type("\x03", /> $/)
      assert.match(yield* terminal.type("/disk/\t\t", /remove/), /add.*print/s)
    }))

  it.live("Ctrl-C ends the command that runs, and what was typed meanwhile is the next line", () =>
    Effect.gen(function*() {
      const { terminal } = yield* login()
      terminal.channel.write(":delay 30s\r:put typed-ahead\r")
      yield* terminal.type("\x03", /\r\ntyped-ahead\r\n/)
    }))

  it.live("takes a pasted script of several lines, and reads on while brackets are open", () =>
    Effect.gen(function*() {
      const { simulator, terminal } = yield* login()
      for (const name of ["a", "b", "c"]) yield* simulator.run(addDisk(name))
      yield* terminal.type(script.replaceAll("\n", "\r"), /done: 3 disks, 2 large\r\n.*\[csi@RDS\] > $/s)
      assert.include(terminal.screen(), "{... ")
      assert.include(terminal.screen(), "b has 2 GiB")
      yield* terminal.type(":put {\r", /\{\.\.\. $/)
      yield* terminal.type("\x03", /\[csi@RDS\] > $/)
      yield* terminal.type(":put \"one\rtwo\"\r", /one\r?\n?two\r\n/)
    }))

  it.live("shows errors and goes on", () =>
    Effect.gen(function*() {
      const { terminal } = yield* login()
      yield* terminal.type("/disk/remove nope\r", /no such item.*> $/s)
      yield* terminal.type("/disk/nope\r", /line 1 column.*> $/s)
    }))

  it.live.each([["/quit", "/quit\r"], ["Ctrl-D", "\x04"]])("%s leaves", ([_, keys]) =>
    Effect.gen(function*() {
      const { terminal } = yield* login()
      terminal.channel.write(keys)
      yield* until(Effect.sync(terminal.isClosed))
    }))
})

const script = `{
  # grows every second disk and reports
  :local sizes [:toarray ""]
  :local large 0
  :local turn 0
  :foreach id in=[/disk/find where type=file] do={
    :if ($turn % 2 = 1) do={
      /disk/set $id file-size=2G
    }
    :set turn ($turn + 1)
  }
  :foreach row in=[/disk/print detail as-value where type=file] do={
    :local bytes ($row->"size")
    :if ([:typeof $bytes] = "nothing") do={
      :set bytes ($row->"file-size")
    }
    :local gib ($bytes / 1073741824)
    :set ($sizes->($row->"slot")) $gib
    :if ($gib > 1) do={
      :set large ($large + 1)
    }
  }
  :foreach name,gib in=$sizes do={
    :put ($name . " has " . $gib . " GiB")
  }
  :onerror problem in={
    /disk/add type=file slot=a file-path=/storage-pool/other file-size=1G
  } do={
    :put ("refused: " . $problem)
  }
  :do {
    :error "on purpose"
  } on-error={
    :set large ($large + 1)
  }
  :put ("done: " . [:len $sizes] . " disks, " . $large . " large")
}
`
