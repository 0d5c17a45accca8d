import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import ssh2 from "ssh2"
import { generateSshKeyPair } from "../../../src/simulator/Keys.ts"
import { addDisk, startDevice } from "../support/Device.ts"
import { connect, exec, until } from "../support/SshClient.ts"

describe("exec", () => {
  it.live("answers with CRLF and exit status 0", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      assert.deepStrictEqual(yield* exec(client, ":put 1; :put two"), { output: "1\r\ntwo\r\n", code: 0 })
    }))

  it.live("trap: errors are text with exit status 0, run-time and parse errors alike", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      const lines = [
        "/disk/set nope comment=x",
        ":error gone",
        "/disk/nope",
        ":put [",
        "/disk/add type=file colour=red"
      ]
      for (const line of lines) {
        const { code, output } = yield* exec(client, line)
        assert.strictEqual(code, 0)
        assert.match(output, /^[^\r\n]+\r\n$/, line)
      }
    }))

  it.live("runs the first physical line only", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(client, ":put 1\n:put 2")).output, "1\r\n")
    }))

  it.live("cuts lines at 4096 characters, unless read otherwise", () =>
    Effect.gen(function*() {
      const long = `:put "${"x".repeat(5000)}"`
      const harsh = yield* startDevice()
      const cut = yield* exec(yield* connect(harsh.simulator, harsh), long)
      assert.notInclude(cut.output, "xxx")
      const kind = yield* startDevice({ unsure: { longLine: "keep" } })
      const kept = yield* exec(yield* connect(kind.simulator, kind), long)
      assert.strictEqual(kept.output.length, 5002)
    }))

  it.live("wraps print at 80 columns without a terminal, or where the login name says", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      yield* simulator.run(addDisk("x"))
      const longest = (text: string) => Math.max(...text.split("\r\n").map((line) => line.length))
      const narrow = yield* exec(yield* connect(simulator, { privateKey }), "/disk/print detail")
      const wide = yield* exec(yield* connect(simulator, { privateKey, username: "csi+ct200w" }), "/disk/print detail")
      assert.isAtMost(longest(narrow.output), 80)
      assert.isAbove(longest(wide.output), 100)
    }))

  it.live("keeps globals between connections and locals not even between lines", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      yield* exec(yield* connect(simulator, { privateKey }), ":global kept 5; :local lost 6")
      const client = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(client, ":global kept; :put $kept")).output, "5\r\n")
    }))

  it.live("notes every line with its user and outcome", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      yield* exec(client, ":put 1")
      yield* simulator.resetExecs
      yield* exec(client, ":put 2")
      const [record, ...others] = yield* simulator.execs
      assert.deepInclude(record, { line: ":put 2", user: "csi", connection: 1, outcome: "answered", faults: [] })
      assert.strictEqual(others.length, 0)
    }))

  it.live("takes at least the latency", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({ latency: { fixed: "60 millis", jitter: "10 millis" } })
      const [took] = yield* Effect.timed(exec(yield* connect(simulator, { privateKey }), ":put 1"))
      assert.isAtLeast(Duration.toMillis(took), 59)
    }))
})

describe("trap: channels and sessions", () => {
  it.live("a second channel on a connection stalls until the first is closed", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      yield* simulator.faults.add("hang=before match=first")
      yield* Effect.forkChild(exec(client, ":put first"))
      yield* until(Effect.map(simulator.execs, (execs) => execs.length === 1))
      const second = yield* Effect.forkChild(exec(client, ":put second"))
      const other = yield* connect(simulator, { privateKey })
      yield* exec(other, ":put other")
      yield* exec(other, ":put another")
      assert.isUndefined(second.pollUnsafe())
      assert.deepStrictEqual((yield* simulator.execs).map(({ line }) => line), [
        ":put first",
        ":put other",
        ":put another"
      ])
    }))

  it.live("the second is served when the first is done", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      yield* simulator.faults.add("delay=30ms match=0")
      const answers = yield* Effect.forEach([0, 1, 2, 3], (i) => exec(client, `:put ${i}`), { concurrency: 4 })
      assert.deepStrictEqual(answers.map(({ output }) => output), ["0\r\n", "1\r\n", "2\r\n", "3\r\n"])
    }))

  it.live("both are served at once when read so", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({ unsure: { parallelChannels: "serve" } })
      const client = yield* connect(simulator, { privateKey })
      yield* simulator.faults.add("hang=before match=first")
      yield* Effect.forkChild(exec(client, ":put first"))
      assert.strictEqual((yield* exec(client, ":put second")).output, "second\r\n")
    }))

  it.live("keepalive@openssh.com is not answered, so a client that relies on it gives up", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey, keepaliveInterval: 20, keepaliveCountMax: 2 })
      const { reason } = yield* Effect.flip(exec(client, ":delay 10s"))
      assert.strictEqual(reason, "connection lost")
    }))

  it.live("connections above max-sessions are refused, and accepted again when one has gone", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      yield* simulator.run("/ip/service/set ssh max-sessions=2")
      const first = yield* connect(simulator, { privateKey })
      yield* connect(simulator, { privateKey })
      yield* Effect.flip(connect(simulator, { privateKey }))
      assert.strictEqual(yield* simulator.connections, 2)
      first.end()
      yield* until(Effect.map(simulator.connections, (count) => count === 1))
      yield* connect(simulator, { privateKey })
    }))

  it.live("or hang, when read so", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({ unsure: { tooManySessions: "hang" } })
      yield* simulator.run("/ip/service/set ssh max-sessions=1")
      yield* connect(simulator, { privateKey })
      const { reason } = yield* Effect.flip(connect(simulator, { privateKey, readyTimeout: 50 }))
      assert.match(reason, /Timed out/)
    }))
})

describe("logging in", () => {
  it.live("needs a key of the user, whose signature is checked", () =>
    Effect.gen(function*() {
      const { key, privateKey, simulator } = yield* startDevice()
      const stranger = yield* generateSshKeyPair("stranger")
      yield* Effect.flip(connect(simulator, { privateKey: stranger.privateKey }))
      yield* Effect.flip(connect(simulator, { privateKey, username: "nobody" }))
      yield* Effect.flip(connect(simulator, { password: "secret" }))
      const forged = ssh2.utils.parseKey(stranger.privateKey)
      if (forged instanceof Error) return assert.fail(forged.message)
      // Claims the user's public key and signs with another.
      const claimed = ssh2.utils.parseKey(key.publicKey)
      if (claimed instanceof Error) return assert.fail(claimed.message)
      yield* Effect.flip(
        connect(simulator, { agent: new Forger(claimed, forged) })
      )
      assert.strictEqual(yield* simulator.connections, 0)
      assert.include(yield* simulator.run("/log/print terse where topics~\"critical\""), "login failure for user csi")
    }))

  it.live("needs the policy ssh", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({}, ["read", "write"])
      yield* Effect.flip(connect(simulator, { privateKey }))
    }))

  it.live("is written to the log and seen in /user/active until it ends", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(client, ":put [:len [/user/active/find name=csi]]")).output, "1\r\n")
      client.end()
      yield* until(Effect.map(simulator.connections, (count) => count === 0))
      const log = yield* simulator.run("/log/print terse")
      assert.include(log, "user csi logged in from 127.0.0.1 via ssh")
      assert.include(log, "user csi logged out from 127.0.0.1 via ssh")
    }))

  it.live("pins: the host key offered is the one announced", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const offered: Array<string> = []
      const hostVerifier = (key: Buffer) => {
        offered.push(`ssh-ed25519 ${key.toString("base64")}`)
        return true
      }
      yield* connect(simulator, { privateKey, hostVerifier })
      assert.deepStrictEqual(offered, [simulator.hostKeys.authorizedKeys])
      assert.strictEqual(simulator.hostKeys.knownHosts, `[127.0.0.1]:${simulator.port} ${offered[0]}`)
    }))
})

describe("policies", () => {
  it.live.each<readonly [ReadonlyArray<string>, string, boolean]>([
    [["ssh", "read"], "/disk/print", true],
    [["ssh", "read"], "/disk/remove [find slot=x]", false],
    [["ssh", "write"], ":put [/disk/find]", false],
    [["ssh", "read"], "/disk/monitor-traffic x once", false],
    [["ssh", "read", "test"], "/disk/monitor-traffic x once", true],
    [["ssh", "read", "write"], "/system/reboot", false],
    [["ssh", "read", "write"], "/user/ssh-keys/remove [find user=csi]", false],
    [["ssh", "read", "write"], "/file/add name=storage-pool/x type=directory", true]
  ])("a group with %j running %s: %s", ([policies, line, allowed]) =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({}, policies)
      yield* simulator.run(addDisk("x"))
      const { output } = yield* exec(yield* connect(simulator, { privateKey }), line)
      assert.strictEqual(output.includes("not enough permissions (9)"), !allowed, output)
    }))

  it.live("removing files can be read as needing ftp", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({ unsure: { fileWrite: "ftp" } })
      const client = yield* connect(simulator, { privateKey })
      const { output } = yield* exec(client, "/file/add name=storage-pool/x type=directory")
      assert.include(output, "not enough permissions (9)")
    }))
})

describe("when the client goes away in the middle of a command", () => {
  it.live.each<readonly ["finish" | "stop", number]>([["finish", 1], ["stop", 0]])(
    "the command is read to %s",
    ([lostConnection, disks]) =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice({ unsure: { lostConnection } })
        const client = yield* connect(simulator, { privateKey })
        yield* simulator.faults.add("delay=40ms match=/disk/add")
        const running = yield* Effect.forkChild(exec(client, addDisk("x")))
        yield* until(Effect.map(simulator.execs, (execs) => execs.length === 1))
        client.destroy()
        yield* Fiber.await(running)
        yield* until(Effect.map(simulator.execs, (execs) => execs[0]?.outcome === "lost"))
        assert.strictEqual((yield* simulator.device.disks).length, disks)
      })
  )
})

/** An agent that offers one key and signs with another. */
class Forger extends ssh2.BaseAgent<ssh2.ParsedKey> {
  readonly claimed: ssh2.ParsedKey
  readonly signer: ssh2.ParsedKey
  constructor(claimed: ssh2.ParsedKey, signer: ssh2.ParsedKey) {
    super()
    this.claimed = claimed
    this.signer = signer
  }
  override getIdentities(done: ssh2.IdentityCallback<ssh2.ParsedKey>): void {
    done(undefined, [this.claimed])
  }
  override sign(
    _key: ssh2.ParsedKey,
    data: Buffer,
    options: ssh2.SigningRequestOptions | ssh2.SignCallback,
    done?: ssh2.SignCallback
  ): void {
    const finish = typeof options === "function" ? options : done
    finish?.(undefined, this.signer.sign(data))
  }
}
