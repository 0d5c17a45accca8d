import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import { control } from "../../src/simulator/ControlClient.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"
import { addDisk, startDevice } from "./support/Device.ts"
import { connect, exec } from "./support/SshClient.ts"

const start = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const socket = path.join(yield* fs.makeTempDirectoryScoped(), "rds.sock")
  return { socket, ...yield* startDevice({ controlSocket: socket }) }
})

it.layer(NodeServices.layer, { excludeTestServices: true })("control socket", (it) => {
  it.effect("is its owner's only, and replaces one that was left behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { socket } = yield* start
      assert.strictEqual((yield* fs.stat(socket)).mode & 0o777, 0o600)
      yield* Simulator.start(Simulator.config({ controlSocket: socket }))
      assert.deepInclude(yield* control(socket, { op: "faults" }), { faults: [] })
    }))

  it.effect("adds, lists and clears faults", () =>
    Effect.gen(function*() {
      const { privateKey, simulator, socket } = yield* start
      assert.deepInclude(yield* control(socket, { op: "add-fault", rule: "answer=boo count=2" }), { number: 1 })
      const client = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(client, ":put 1")).output, "boo\r\n")
      const faults = [{ number: 1, rule: "answer=boo count=2", seen: 1, fired: 1 }]
      assert.deepInclude(yield* control(socket, { op: "faults" }), { faults })
      yield* control(socket, { op: "clear-faults" })
      assert.strictEqual((yield* exec(client, ":put 1")).output, "1\r\n")
    }))

  it.effect("shows state and execs, runs lines, changes pools, reboots", () =>
    Effect.gen(function*() {
      const { privateKey, simulator, socket } = yield* start
      yield* exec(yield* connect(simulator, { privateKey }), addDisk("x"))
      const state = yield* control(socket, { op: "state" })
      assert.deepInclude(state, { disks: JSON.parse(JSON.stringify(yield* simulator.device.disks, bigints)) })
      const { execs } = yield* control(socket, { op: "execs" })
      assert.deepInclude(Array.isArray(execs) ? execs[0] : {}, { line: addDisk("x"), outcome: "answered" })
      yield* control(socket, { op: "reset-execs" })
      assert.deepInclude(yield* control(socket, { op: "execs" }), { execs: [] })
      assert.deepInclude(yield* control(socket, { op: "run", line: ":put 7" }), { output: "7\r\n" })
      yield* control(socket, { op: "set-pool", mountPoint: "storage-pool", state: "degraded", mounted: false })
      const [pool] = yield* simulator.device.pools
      assert.deepInclude(pool, { state: "degraded", mounted: false })
      yield* control(socket, { op: "reboot", down: "10s" })
      assert.strictEqual(yield* simulator.connections, 0)
    }))

  it.effect("reads and writes what is exported, for an initiator without a kernel", () =>
    Effect.gen(function*() {
      const { simulator, socket } = yield* start
      yield* simulator.run(`${addDisk("x")}; ${addDisk("y")}; /disk/set y nvme-tcp-export=no`)
      const nqn = "nqn.2000-02.com.mikrotik:x"
      yield* control(socket, { op: "write", nqn, content: "text" })
      assert.deepInclude(yield* control(socket, { op: "export", nqn }), {
        sizeBytes: String(1n << 30n),
        content: "text"
      })
      for (const other of ["y", "z"]) {
        const asked = { nqn: `nqn.2000-02.com.mikrotik:${other}`, content: "text" }
        const refused = yield* Effect.forEach(
          ["export", "write"],
          (op) => Effect.flip(control(socket, { op, ...asked }))
        )
        assert.deepStrictEqual(
          refused.map(({ message }) => message),
          Array(2).fill(`nqn: ${asked.nqn} is not exported`)
        )
      }
    }))

  it.effect("answers what it does not understand with what it does", () =>
    Effect.gen(function*() {
      const { socket } = yield* start
      const refusal = (request: Parameters<typeof control>[1]) =>
        Effect.map(Effect.flip(control(socket, request)), ({ message }) => message)
      assert.include(yield* refusal({ op: "explode" }), "op: \"explode\"; allowed: add-fault, ")
      assert.include(yield* refusal({ op: "add-fault" }), "rule")
      assert.include(yield* refusal({ op: "add-fault", rule: "cut=now" }), "allowed: before, during, after")
      assert.include(yield* refusal({ op: "reboot", down: "soon" }), "down: soon")
      assert.include(yield* refusal({ op: "set-pool", mountPoint: "x" }), "allowed: storage-pool")
    }))
})

const bigints = (_key: string, value: unknown) => typeof value === "bigint" ? value.toString() : value
