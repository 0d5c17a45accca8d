import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Option, Result, Scope } from "effect"
import { generateKeyPairSync } from "node:crypto"
import ssh2 from "ssh2"
import { fingerprint, parseHostKeys } from "../../src/rds/HostKey.ts"
import { SshTransport } from "../../src/rds/SshTransport.ts"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { commands, connect, holdings, quietly, spec, start, startAppliance, until } from "./Harness.ts"

const { id } = spec("a")
const quick = { pool: { connectTimeout: "2 seconds", readTimeout: "200 millis", writeTimeout: "300 millis" } } as const
const blob = (line: string) => Buffer.from(line.split(" ")[1] ?? "", "base64")

/** The error of a first call, with nothing run on the appliance. */
const refusedBy = Effect.fnUntraced(function*(
  { simulator, target }: Effect.Success<ReturnType<typeof startAppliance>>,
  change: Partial<typeof target> = {}
) {
  const rds = yield* connect({ ...target, ...change })
  const before = yield* holdings(simulator)
  const error = yield* Effect.flip(rds.create(spec("a")))
  assert.deepStrictEqual(yield* holdings(simulator), before)
  assert.deepStrictEqual(yield* commands(simulator), [])
  assert.notInclude(error.message, simulator.host)
  assert.isFalse((yield* rds.state).connected)
  return error
})

quietly("who we are to each other", (it) => {
  it.effect("a key that is not imported for the user is refused, and said so", () =>
    Effect.gen(function*() {
      const started = yield* startAppliance()
      const { publicKey } = yield* generateSshKeyPair("other")
      const other = yield* startAppliance({ users: [{ name: "rds-csi", publicKeys: [publicKey], policies: ["ssh"] }] })
      const error = yield* refusedBy({ ...other, target: { ...other.target, userKey: started.target.userKey } })
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
      assert.match(error.message, /refused the driver's ssh-ed25519 key for user rds-csi: import its public key/)
    }))

  it.effect("a user without the policy ssh is refused", () =>
    Effect.gen(function*() {
      const error = yield* refusedBy(yield* startAppliance({ policies: ["read", "write", "test"] }))
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
    }))

  it.effect("a host key that is not pinned ends the connection, and both fingerprints are named", () =>
    Effect.gen(function*() {
      const started = yield* startAppliance()
      const { publicKey } = yield* generateSshKeyPair("other")
      const hostKeys = Result.getOrThrow(parseHostKeys(publicKey, started.simulator))
      const error = yield* refusedBy(started, { hostKeys })
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
      assert.include(
        error.message,
        `showed the host key ${fingerprint(blob(started.simulator.hostKeys.authorizedKeys))}`
      )
      assert.include(error.message, `pinned: ${fingerprint(blob(publicKey))}`)
    }))

  it.effect("a host key that changes between two connections is refused, until the old one is back or the new one pinned", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* simulator.faults.add("new-host-key count=all")
      yield* simulator.faults.add("cut=before")
      const error = yield* Effect.flip(rds.get(id))
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
      yield* simulator.faults.clear
      yield* until(Effect.map(rds.state, ({ connected }) => connected))
      assert.deepStrictEqual(yield* rds.get(id), Option.none())
    }))

  it.effect("known_hosts lines pin as well, and insecure accepts any key", () =>
    Effect.gen(function*() {
      const { simulator, target } = yield* startAppliance()
      const hostKeys = Result.getOrThrow(parseHostKeys(simulator.hostKeys.knownHosts, target))
      for (const pins of [hostKeys, "insecure"] as const) {
        const rds = yield* connect({ ...target, hostKeys: pins })
        assert.deepStrictEqual(yield* rds.get(id), Option.none())
      }
    }))

  it.effect("asks a server that has several host keys for the pinned one", () =>
    Effect.gen(function*() {
      const pinned = yield* generateSshKeyPair("host")
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
        type: "pkcs1",
        format: "pem"
      })
      const port = yield* sshServer([rsa.toString(), pinned.privateKey])
      const { target } = yield* startAppliance()
      const rsaPublic = ssh2.utils.parseKey(rsa.toString())
      assert.isFalse(rsaPublic instanceof Error)
      const rsaLine = rsaPublic instanceof Error ? "" : `ssh-rsa ${rsaPublic.getPublicSSH().toString("base64")}`
      for (const line of [pinned.publicKey, rsaLine]) {
        const hostKeys = Result.getOrThrow(parseHostKeys(line, { host: "127.0.0.1", port }))
        const connected = Effect.flatMap(SshTransport, ({ connect }) => Effect.scoped(connect)).pipe(
          Effect.provide(SshTransport.layer({ ...target, port, hostKeys }))
        )
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(connected)), line)
      }
    }))

  it.effect("RouterOS without nvme-tcp-server-nqn is refused with what it runs and what is needed", () =>
    Effect.gen(function*() {
      const error = yield* refusedBy(yield* startAppliance({ version: "7.20.8 (long-term)" }))
      assert.strictEqual(error._tag, "ApplianceUnsupported")
      assert.match(error.message, /runs RouterOS 7\.20\.8 \(long-term\): this driver needs 7\.21 or newer/)
    }))

  it.effect("an appliance without rose-storage is refused", () =>
    Effect.gen(function*() {
      const error = yield* refusedBy(yield* startAppliance({ packages: [] }))
      assert.strictEqual(error._tag, "ApplianceUnsupported")
      assert.match(error.message, /lacks the package rose-storage: install and enable it/)
    }))

  it.effect("a user that may not read is told which policies are needed", () =>
    Effect.gen(function*() {
      const error = yield* refusedBy(yield* startAppliance({ policies: ["ssh"] }))
      assert.strictEqual(error._tag, "ApplianceAuthFailed")
      assert.match(error.message, /its group needs the policies ssh, read, write and test/)
    }))
})

/** Listens with those host keys and lets everyone in; for what a RouterOS device cannot be made to do. */
const sshServer = (hostKeys: Array<string>) =>
  Effect.acquireRelease(
    Effect.callback<ssh2.Server>((resume) => {
      const server = new ssh2.Server({ hostKeys }, (client) => {
        client.on("authentication", (context) => context.accept()).on("error", () => {})
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  ).pipe(Effect.map((server) => {
    const address: unknown = server.address()
    return typeof address === "object" && address !== null && "port" in address ? Number(address.port) : 0
  }))

quietly("when the connection breaks", (it) => {
  it.effect("a lost answer is asked for again, in the same call", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      for (const moment of ["before", "during", "after"]) {
        yield* simulator.faults.add(`cut=${moment} match=/disk/print`)
        assert.deepStrictEqual(yield* rds.get(id), Option.none(), moment)
      }
    }))

  it.effect("an answer that stays lost is an unknown outcome after a few attempts", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* simulator.faults.add("cut=after match=/disk/add count=all")
      const error = yield* Effect.flip(rds.create(spec("a")))
      assert.deepInclude(error, { _tag: "ApplianceUnavailable", reason: "lost" })
      assert.match(error.message, /the outcome is unknown; a retry finds out/)
      assert.strictEqual((yield* commands(simulator)).length, 4)
      yield* simulator.faults.clear
      assert.strictEqual((yield* rds.create(spec("a"))).id, id)
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("a command that hangs ends after its time limit, and the next one is served (trap: no limit)", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({}, quick)
      for (const moment of ["before", "after"]) {
        yield* simulator.faults.add(`hang=${moment} match=/disk/print`)
        const error = yield* Effect.flip(rds.get(id))
        assert.deepInclude(error, { _tag: "ApplianceUnavailable", reason: "timeout" })
        assert.match(error.message, /did not answer within 200ms, so the outcome is unknown/)
        assert.deepStrictEqual(yield* rds.get(id), Option.none())
      }
    }))

  it.effect("a command on a connection that has ended is answered with nothing, at once", () =>
    Effect.gen(function*() {
      const { simulator, target } = yield* startAppliance()
      const session = yield* Effect.flatMap(SshTransport, ({ connect }) => connect).pipe(
        Effect.provide(SshTransport.layer(target))
      )
      assert.strictEqual(yield* session.exec(":put 1"), "1\r\n")
      yield* simulator.reboot("10 seconds")
      assert.match(yield* session.closed, /ECONNRESET|closed/)
      assert.strictEqual(yield* session.exec(":put 2"), "")
    }))

  it.effect("an interrupted call leaves nothing behind that a later one could trip over", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start({ latency: { fixed: "50 millis", jitter: 0 } })
      const call = yield* Effect.forkChild(rds.create(spec("a")))
      yield* until(Effect.map(simulator.execs, (execs) => execs.some(({ line }) => line.includes("/disk/add"))))
      yield* Fiber.interrupt(call)
      assert.strictEqual((yield* rds.create(spec("a"))).id, id)
      assert.strictEqual((yield* simulator.device.disks).length, 1)
    }))

  it.effect("a reboot is survived: the call under way fails or succeeds, and the connection comes back by itself", () =>
    Effect.gen(function*() {
      const { rds, simulator } = yield* start()
      yield* rds.create(spec("a"))
      yield* simulator.reboot("100 millis")
      yield* until(Effect.map(rds.state, ({ connected }) => !connected))
      const down = yield* Effect.flip(rds.get(id))
      assert.strictEqual(down._tag, "ApplianceUnavailable")
      assert.notInclude(down.message, simulator.host)
      yield* until(Effect.map(rds.state, ({ connected }) => connected))
      assert.isTrue(Option.isSome(yield* rds.get(id)))
    }))

  it.effect("starts without the appliance, answers at once that it is not there, and finds it when it comes", () =>
    Effect.gen(function*() {
      const first = yield* Scope.make()
      const { simulator, target } = yield* Scope.provide(startAppliance(), first)
      yield* Scope.close(first, Exit.void)
      const rds = yield* connect(target, { pool: { circuitFailures: 1, reconnectPause: "50 millis" } })
      yield* until(Effect.map(rds.state, ({ lastError }) => lastError !== undefined))
      const error = yield* Effect.flip(rds.get(id))
      assert.deepInclude(error, { _tag: "ApplianceUnavailable", reason: "circuit-open" })
      assert.match(error.message, /cannot be reached \(ECONNREFUSED\); the driver keeps trying/)
      const again = yield* startAppliance({ port: simulator.port })
      // Another appliance with another key has come up in its place.
      yield* until(Effect.map(rds.state, ({ lastError }) => lastError?._tag === "ApplianceAuthFailed"))
      const found = yield* connect({ ...again.target })
      assert.deepStrictEqual(yield* found.get(id), Option.none())
    }))

  it.effect("closes its sessions on the appliance when it ends", () =>
    Effect.gen(function*() {
      const { simulator, target } = yield* startAppliance()
      const scope = yield* Scope.make()
      const rds = yield* Scope.provide(connect(target), scope)
      yield* Effect.forEach(["a", "b", "c", "d", "e"], (name) => rds.create(spec(name)), { concurrency: 5 })
      assert.isAtMost(yield* simulator.connections, 4)
      yield* Scope.close(scope, Exit.void)
      yield* until(Effect.map(simulator.connections, (open) => open === 0))
    }))
})
