import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import type { SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"
import { addImage, addSubvolume, btrfsPool } from "../support/Btrfs.ts"
import { addDisk, startDevice } from "../support/Device.ts"
import { connect, exec, until } from "../support/SshClient.ts"

/** What is on the device, in words. */
const stateOf = Effect.fnUntraced(function*({ device }: { readonly device: Fixture["simulator"]["device"] }) {
  const disks = yield* device.disks
  const files = yield* device.files
  return [
    ...files.filter((file) => !file.directory).map((file) => `file ${file.path.split("/").at(-1)}`),
    ...disks.map((disk) => `disk ${disk.slot}${disk.exported ? " exported" : ""}`)
  ]
})
type Fixture = Effect.Success<ReturnType<typeof startDevice>>

describe("a cut connection", () => {
  it.live.each<readonly [string, ReadonlyArray<string>]>([
    ["cut=before match=/disk/add", []],
    ["cut=during match=/disk/add", ["file x.img"]],
    ["cut=during match=/disk/add step=2", ["file x.img", "disk x"]],
    ["cut=during match=/disk/add step=3", ["file x.img", "disk x exported"]],
    ["cut=during match=/disk/add step=9", ["file x.img", "disk x exported", "disk after"]],
    ["cut=after match=/disk/add", ["file x.img", "disk x exported", "disk after"]]
  ])("trap: %s leaves what was made until then, without an answer", ([rule, left]) =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      yield* simulator.run("/file/add name=storage-pool/after.img contents=x")
      yield* simulator.faults.add(rule)
      const line = `${addDisk("x")}; /disk/add type=file slot=after file-path=/storage-pool/after.img`
      yield* Effect.flip(exec(client, line))
      const state = yield* stateOf(simulator)
      assert.deepStrictEqual(state.filter((item) => item !== "file after.img"), left)
      const [record] = yield* simulator.execs
      assert.deepInclude(record, { outcome: "cut", faults: [rule] })
      // The rule is used up: the next connection works.
      const again = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(again, ":put ok")).output, "ok\r\n")
    }))

  it.live("takes every change of a script as a step: remove item, remove file", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      yield* simulator.run(addDisk("x"))
      yield* simulator.faults.add("cut=during match=/disk/remove step=2")
      const line = "/disk/set x nvme-tcp-export=no; /disk/remove x; /file/remove storage-pool/metal-csi/x.img"
      yield* Effect.flip(exec(yield* connect(simulator, { privateKey }), line))
      assert.deepStrictEqual(yield* stateOf(simulator), ["file x.img"])
    }))
})

it.live("a hanging command does or does not run, and is never answered", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    yield* simulator.faults.add("hang=before match=\"slot=.x\"")
    yield* simulator.faults.add("hang=after match=\"slot=.y\"")
    for (const [name, hung] of [["x", 1], ["y", 2]] as const) {
      const client = yield* connect(simulator, { privateKey })
      const running = yield* Effect.forkChild(exec(client, addDisk(name)))
      yield* until(
        Effect.map(simulator.execs, (execs) => execs.filter(({ outcome }) => outcome === "hung").length === hung)
      )
      assert.isUndefined(running.pollUnsafe())
    }
    assert.deepStrictEqual(yield* stateOf(simulator), ["file y.img", "disk y exported"])
  }))

it.live("error=TEXT fails a change where scripts can catch it, and changes nothing", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    const client = yield* connect(simulator, { privateKey })
    yield* simulator.faults.add("error=\"failure: disk busy\" match=/disk/add")
    yield* simulator.faults.add("error=\"failure: no item\" match=/disk/add nth=2 step=2")
    const caught = `:onerror e in={ ${addDisk("x")} } do={ :put ("caught " . $e) }`
    assert.strictEqual((yield* exec(client, caught)).output, "caught failure: disk busy\r\n")
    assert.deepStrictEqual(yield* stateOf(simulator), [])
    assert.strictEqual((yield* exec(client, caught)).output, "caught failure: no item\r\n")
    assert.deepStrictEqual(yield* stateOf(simulator), ["file x.img"])
  }))

it.live("answer=TEXT is all that comes back, and nothing runs", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    yield* simulator.faults.add("answer=\"syntax error (line 1 column 7)\"")
    const answer = yield* exec(yield* connect(simulator, { privateKey }), addDisk("x"))
    assert.deepStrictEqual(answer, { output: "syntax error (line 1 column 7)\r\n", code: 0 })
    assert.deepStrictEqual(yield* stateOf(simulator), [])
  }))

it.live("pool-full: no space for one command, in what it is shown and in what it can take", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    const client = yield* connect(simulator, { privateKey })
    yield* simulator.run(addDisk("old"))
    yield* simulator.faults.add("pool-full count=3")
    assert.strictEqual((yield* exec(client, ":put [/disk/get storage-pool free]")).output, "0\r\n")
    assert.include((yield* exec(client, addDisk("x"))).output, "failure: not enough space")
    assert.include((yield* exec(client, "/disk/set old file-size=2G")).output, "failure: not enough space")
    assert.strictEqual((yield* exec(client, addDisk("x"))).output, "")
  }))

it.live("slow-remove: the file is there until the removal is done", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    yield* simulator.run(addDisk("x"))
    yield* simulator.run("/disk/remove x")
    yield* simulator.faults.add("slow-remove=60ms")
    const client = yield* connect(simulator, { privateKey })
    const remove = exec(client, "/file/remove storage-pool/metal-csi/x.img")
    const running = yield* Effect.forkChild(Effect.timed(remove))
    yield* until(Effect.map(simulator.execs, (execs) => execs.length === 1))
    assert.deepStrictEqual(yield* stateOf(simulator), ["file x.img"])
    const [took] = yield* Fiber.join(running)
    assert.isAtLeast(Duration.toMillis(took), 59)
    assert.deepStrictEqual(yield* stateOf(simulator), [])
  }))

it.live("refuse-auth: one login is refused, with a good key", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    yield* simulator.faults.add("refuse-auth user=csi")
    yield* Effect.flip(connect(simulator, { privateKey }))
    yield* connect(simulator, { privateKey })
  }))

it.live("new-host-key: one connection is offered a key that was never announced", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    yield* simulator.faults.add("new-host-key")
    const pinned = (key: Buffer) => simulator.hostKeys.authorizedKeys.endsWith(key.toString("base64"))
    yield* Effect.flip(connect(simulator, { privateKey, hostVerifier: pinned }))
    yield* connect(simulator, { privateKey, hostVerifier: pinned })
  }))

it.live("rules say which of the matching commands they are for, and are listed until used up", () =>
  Effect.gen(function*() {
    const { privateKey, simulator } = yield* startDevice()
    const client = yield* connect(simulator, { privateKey })
    yield* simulator.faults.add("answer=fault match=put nth=2 count=2")
    yield* simulator.faults.add("answer=other match=put user=admin")
    const outputs: Array<string> = []
    for (let i = 1; i <= 4; i++) outputs.push((yield* exec(client, `:put ${i}`)).output.trim())
    assert.deepStrictEqual(outputs, ["1", "fault", "fault", "4"])
    assert.deepStrictEqual((yield* simulator.faults.list).map(({ rule }) => rule.user), ["admin"])
    yield* simulator.faults.clear
    assert.deepStrictEqual(yield* simulator.faults.list, [])
    const { message } = yield* Effect.flip(simulator.faults.add("cut=now"))
    assert.include(message, "cut=now; allowed: before, during, after")
  }))

describe("a reboot", () => {
  it.live("in the middle of /disk/add keeps what was made, forgets what is volatile, and comes back", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      yield* simulator.run(addDisk("old"))
      yield* simulator.run(":global kept 1")
      yield* simulator.faults.add("reboot=during match=/disk/add down=500ms")
      const bystander = yield* connect(simulator, { privateKey })
      const waiting = yield* Effect.forkChild(Effect.flip(exec(bystander, ":delay 10s")))
      yield* until(Effect.map(simulator.execs, (execs) => execs.length === 1))
      yield* Effect.flip(exec(yield* connect(simulator, { privateKey }), addDisk("x")))
      yield* Fiber.join(waiting)
      assert.strictEqual(yield* simulator.connections, 0)
      assert.deepStrictEqual(yield* simulator.device.exports, [])
      yield* Effect.flip(connect(simulator, { privateKey }))
      const client = yield* Effect.eventually(connect(simulator, { privateKey }))
      assert.strictEqual((yield* exec(client, ":global kept; :put [:typeof $kept]")).output, "nothing\r\n")
      assert.deepStrictEqual(yield* stateOf(simulator), ["file old.img", "file x.img", "disk old exported"])
      const exported = yield* simulator.device.exports
      assert.deepStrictEqual(exported.map(({ nqn }) => nqn), ["nqn.2000-02.com.mikrotik:old"])
      assert.isBelow(Duration.toMillis(yield* simulator.device.uptime), 1000)
      assert.deepStrictEqual((yield* simulator.execs).map(({ outcome }) => outcome), ["lost", "rebooted", "answered"])
    }))

  it.live("can be asked for by whoever has the policy, and from outside", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({}, ["ssh", "read", "reboot"])
      yield* simulator.reboot("1 millis")
      const client = yield* Effect.eventually(connect(simulator, { privateKey }))
      yield* Effect.flip(exec(client, "/system/reboot"))
      yield* Effect.flip(connect(simulator, { privateKey }))
    }))
})

describe("faults of snapshots and copies", () => {
  const mib = 1n << 20n
  const setUp = Effect.fnUntraced(function*(change: SimulatorOptions = {}) {
    const options = { pools: [btrfsPool], directories: ["pool/vols"], copyRate: 20n * mib, ...change }
    const { privateKey, simulator } = yield* startDevice(options)
    yield* simulator.run(
      `${addSubvolume("a")}; ${addImage("a")}; /disk/add type=file slot=x file-path=/pool/x file-size=4M`
    )
    return { simulator, client: yield* connect(simulator, { privateKey }) }
  })
  const copy = "/file/copy pool/x name=pool/y"
  const sizeOf = ({ device }: Fixture["simulator"]) =>
    Effect.map(device.files, (files) => files.find(({ path }) => path === "pool/y")?.sizeBytes)

  it.live.each<readonly [string, ReadonlyArray<string>]>([
    ["cut=before match=subvolume", ["a"]],
    ["cut=during match=subvolume", ["a", "s"]],
    ["reboot=during match=subvolume", ["a", "s"]],
    ["cut=after match=subvolume", ["a", "s", "b"]]
  ])("trap: %s leaves the subvolumes that were made until then", ([rule, left]) =>
    Effect.gen(function*() {
      const { client, simulator } = yield* setUp()
      yield* simulator.faults.add(rule)
      const line = `${addSubvolume("s", "parent=vols/a read-only=yes")}; ${addSubvolume("b", "parent=vols/s")}`
      yield* Effect.flip(exec(client, line))
      const subvolumes = yield* simulator.device.subvolumes
      assert.deepStrictEqual(subvolumes.map(({ path }) => path), left.map((name) => `pool/vols/${name}`))
    }))

  it.live("trap: a script is part of the command that runs it, and broken off with it", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* setUp()
      const source = `${addSubvolume("s", "parent=vols/a")}; ${addSubvolume("b", "parent=vols/s")}`
      yield* simulator.run(`/system/script/add name=x policy=write source="${source.replaceAll("\"", "\\\"")}"`)
      yield* simulator.faults.add("cut=during match=script/run")
      yield* Effect.flip(exec(client, "/system/script/run x; /disk/btrfs/subvolume/remove a"))
      const subvolumes = yield* simulator.device.subvolumes
      assert.deepStrictEqual(subvolumes.map(({ path }) => path), ["pool/vols/a", "pool/vols/s"])
      yield* until(Effect.map(simulator.device.jobs, (jobs) => jobs.length === 0))
    }))

  it.live("answer an error or no space in place of a snapshot", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* setUp()
      yield* simulator.faults.add("error=\"failure: device busy\" match=subvolume")
      yield* simulator.faults.add("pool-full match=subvolume nth=2")
      const line = addSubvolume("s", "parent=vols/a")
      const answers = yield* Effect.forEach([line, line, line], (next) => exec(client, next))
      const texts = ["failure: device busy\r\n", "failure: not enough space\r\n", ""]
      assert.deepStrictEqual(answers.map(({ output }) => output), texts)
    }))

  it.live.each(
    [
      ["cut=during step=2 match=/file/copy", 2n * mib],
      ["hang=during step=2 match=/file/copy", 2n * mib],
      ["reboot=during step=2 match=/file/copy", 2n * mib]
    ] as const
  )("trap: %s leaves a part of the copy", ([rule, size]) =>
    Effect.gen(function*() {
      const { client, simulator } = yield* setUp()
      yield* simulator.faults.add(rule)
      const running = yield* Effect.forkChild(Effect.exit(exec(client, copy)))
      yield* until(Effect.map(sizeOf(simulator), (now = 0n) => now >= size))
      yield* until(Effect.map(simulator.execs, ([record]) => record?.outcome !== "running"))
      yield* Fiber.interrupt(running)
      assert.strictEqual(yield* sizeOf(simulator), size)
    }))

  it.live.each([["finish", 20n * mib], ["stop", mib / 4n]] as const)(
    "a copy whose connection is lost: %s",
    ([lostConnection, copyRate]) =>
      Effect.gen(function*() {
        const { client, simulator } = yield* setUp({ copyRate, unsure: { lostConnection } })
        yield* Effect.forkChild(Effect.exit(exec(client, copy)))
        yield* until(Effect.map(sizeOf(simulator), (now) => now !== undefined))
        client.destroy()
        yield* until(Effect.map(simulator.execs, ([record]) => record?.outcome === "lost"))
        assert.strictEqual((yield* sizeOf(simulator)) === 4n * mib, lostConnection === "finish")
      })
  )
})
