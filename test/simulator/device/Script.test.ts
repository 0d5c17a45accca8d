import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import { Simulator, type Simulator as Device } from "../../../src/simulator/Simulator.ts"
import { addImage, addSubvolume, btrfsDevice } from "../support/Btrfs.ts"
import { startDevice } from "../support/Device.ts"
import { connect, exec, until } from "../support/SshClient.ts"

const mib = 1n << 20n

const device = (options: Parameters<typeof Simulator.config>[0] = {}) => Simulator.start(Simulator.config(options))

const script = (name: string, source: string, more = "policy=read,write,test") =>
  `/system/script/add name=${name} source="${source}" ${more}`

const jobs = (simulator: Device, condition = "") =>
  Effect.map(simulator.run(`:put [:len [/system/script/job/find ${condition}]]`), Number)

const log = (simulator: Device) => simulator.run("/log/print proplist=topics,message")

describe("/system/script", () => {
  it.effect("keeps scripts by their name, with what exports of devices show", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(script("a", ":put \\\"one\\\"", "policy=read,write,test comment=mine"))
      const text = (yield* simulator.run("/system/script/print detail where name=a")).replace(/\r\n +/g, " ")
      assert.include(text, ";;; mine")
      assert.include(text, "name=\"a\" owner=\"admin\" policy=read,write,test dont-require-permissions=no")
      assert.include(text, "run-count=0 source=\":put \\\"one\\\"\"")
      assert.strictEqual(yield* simulator.run(script("a", "x")), "failure: already have script with such name\r\n")
      yield* simulator.run("/system/script/set a name=b source=\":put two\"; /system/script/run b")
      const counted = ":put ([/system/script/get b run-count] . [/system/script/get b source])"
      assert.strictEqual(yield* simulator.run(counted), "1:put two\r\n")
      yield* simulator.run("/system/script/remove [find where name=b]")
      assert.strictEqual(yield* simulator.run(":put [:len [/system/script/find]]"), "0\r\n")
    }))

  it.effect("runs a script as part of the command that asks, which catches its errors", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(script("a", ":put [:jobname];\\n:local x 1\\n:put \\$x; :error gone; :put never"))
      yield* simulator.run(script("b", ":put ["))
      assert.strictEqual(
        yield* simulator.run(
          ":onerror e in={ /system/script/run a } do={ :put \"caught $e\" }; :put [:len [:jobname]]"
        ),
        "a\r\n1\r\ncaught gone (:error; line 3)\r\n0\r\n"
      )
      assert.include(
        yield* simulator.run(":onerror e in={ /system/script/run b } do={ :put \"caught $e\" }"),
        "caught "
      )
      assert.strictEqual(yield* simulator.run("/system/script/run nosuch; :put never"), "no such item (4)\r\n")
    }))

  it.effect("ends scripts that run themselves", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(script("a", "/system/script/run a"))
      assert.strictEqual(yield* simulator.run("/system/script/run a"), "failure: too many nested scripts\r\n")
      assert.strictEqual(yield* jobs(simulator), 0)
    }))
})

describe("jobs", () => {
  it.effect("run in the background: the number comes at once, what is printed goes nowhere, the error to the log", () =>
    Effect.gen(function*() {
      const simulator = yield* device()
      yield* simulator.run(script("a", ":put lost; :delay 5s; :log info done; :error gone"))
      assert.match(yield* simulator.run(":put [:execute script=\"/system/script/run a\"]"), /^\*1\r\n$/)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* jobs(simulator, "where script=\"a\""), 1)
      const row =
        ":local r [/system/script/job/get [find where script=a]]; :put (($r->\"owner\") . ($r->\"type\") . ($r->\"parent\"))"
      assert.strictEqual(yield* simulator.run(row), "admincommand*1\r\n")
      assert.strictEqual(yield* jobs(simulator, "where !script"), 1)
      assert.notInclude(yield* log(simulator), "done")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* jobs(simulator), 0)
      const lines = yield* log(simulator)
      assert.include(lines, "script,info")
      assert.match(lines, /script,error +executing script from :execute failed/)
      assert.match(lines, /script,error,debug +gone/)
    }))

  it.effect("trap: end when they are removed, and a copy stays as far as it was", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ copyRate: mib })
      yield* simulator.run("/disk/add type=file slot=a file-path=/pool/vols/a file-size=10M")
      yield* simulator.run(script("c", "/file/copy pool/vols/a name=pool/vols/b; :log info copied"))
      const size = simulator.run(":put [/file/get pool/vols/b size]")
      for (const condition of ["script=c", "!script"]) {
        yield* simulator.run(":execute \"/system/script/run c\"")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(yield* simulator.run(`/system/script/job/remove [find where ${condition}]`), "")
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* jobs(simulator), 0, condition)
        const before = yield* size
        assert.isBelow(Number(before), Number(10n * mib))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* size, before)
        yield* simulator.run("/file/remove pool/vols/b")
      }
      assert.notInclude(yield* log(simulator), "copied")
    }))

  it.effect("trap: end when the device restarts, which gives their numbers again; scripts stay", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ copyRate: mib })
      yield* simulator.run("/disk/add type=file slot=a file-path=/pool/vols/a file-size=10M")
      yield* simulator.run(script("c", "/file/copy pool/vols/a name=pool/vols/b"))
      const start = ":put [:execute \"/system/script/run c\"]"
      assert.strictEqual(yield* simulator.run(start), "*1\r\n")
      yield* TestClock.adjust("3 seconds")
      yield* simulator.reboot("1 second")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* jobs(simulator), 0)
      const size = Number(yield* simulator.run(":put [/file/get pool/vols/b size]"))
      assert.isAbove(size, 0)
      assert.isBelow(size, Number(10n * mib))
      assert.strictEqual(yield* simulator.run(":put [/system/script/get c run-count]"), "0\r\n")
      assert.strictEqual(yield* simulator.run(start), "*1\r\n")
    }))

  it.effect.each(
    [
      ["error=\"failure: device busy\" in=job match=/file/copy", "error,debug +failure: device busy", undefined],
      ["pool-full in=job match=/file/copy", "error,debug +failure: not enough space", 0],
      ["cut=before in=job match=/file/copy", "", undefined],
      ["cut=during step=4 in=job match=/file/copy", "", 3],
      ["reboot=during step=4 in=job match=/file/copy", "", 3],
      ["delay=5s in=job match=/file/copy", "script,info +copied", 10],
      ["cut=before match=/file/copy", "script,info +copied", 10]
    ] as const
  )("meet the fault %s", ([rule, logged, tenths]) =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice({ copyRate: 10n * mib })
      yield* simulator.run("/disk/add type=file slot=a file-path=/pool/vols/a file-size=10M")
      yield* simulator.run(script("c", "/file/copy pool/vols/a name=pool/vols/b; :log info copied"))
      yield* simulator.faults.add(rule)
      yield* simulator.run(":execute \"/system/script/run c\"")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* jobs(simulator), 0)
      const files = yield* simulator.device.files
      const size = files.find(({ path }) => path === "pool/vols/b")?.sizeBytes
      assert.strictEqual(size, tenths === undefined ? undefined : BigInt(tenths) * mib)
      assert.match(yield* log(simulator), new RegExp(logged))
    }))

  it.effect("trap: a job that hangs is there until it is removed", () =>
    Effect.gen(function*() {
      const simulator = yield* btrfsDevice()
      yield* simulator.faults.add("hang=during in=job match=subvolume")
      yield* simulator.run(`:execute script="${addSubvolume("a").replaceAll("\"", "\\\"")}; ${addImage("a")}"`)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* jobs(simulator), 1)
      yield* simulator.run("/system/script/job/remove [find]")
      assert.strictEqual(yield* jobs(simulator), 0)
      assert.deepStrictEqual(yield* simulator.device.disks, [])
      assert.deepStrictEqual((yield* simulator.device.subvolumes).map(({ path }) => path), ["pool/vols/a"])
    }))
})

describe("over SSH", () => {
  it.live("trap: a login is a job as well", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      const count = (condition: string) => `:put [:len [/system/script/job/find ${condition}]]`
      const line = `${count("")}; ${count("where type=login and owner=csi")}; ${count("where script=\"a\"")}`
      assert.strictEqual((yield* exec(client, line)).output, "1\r\n1\r\n0\r\n")
      yield* simulator.run("/system/script/job/remove [find where type=login]")
      yield* until(Effect.map(simulator.connections, (connections) => connections === 0))
      assert.strictEqual(yield* jobs(simulator), 0)
    }))

  it.live("trap: nobody runs a script with more policies than their own, nor gives it any", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice()
      const client = yield* connect(simulator, { privateKey })
      const run = (line: string) => Effect.map(exec(client, line), ({ output }) => output)
      assert.strictEqual(yield* run(script("all", ":put ran", "")), "")
      assert.strictEqual(yield* run("/system/script/run all"), "not enough permissions (9)\r\n")
      assert.strictEqual(yield* run(script("more", ":put ran", "policy=read,ftp")), "not enough permissions (9)\r\n")
      assert.strictEqual(yield* run(script("own", ":put ran")), "")
      assert.strictEqual(yield* run("/system/script/run own"), "ran\r\n")
      assert.strictEqual(yield* run("/system/script/set all policy=reboot"), "not enough permissions (9)\r\n")
      yield* simulator.run("/system/script/set all dont-require-permissions=yes")
      assert.strictEqual(yield* run("/system/script/run all"), "ran\r\n")
      yield* run(script("read", "/disk/remove [find where slot=x]", "policy=read"))
      assert.strictEqual(yield* run("/system/script/run read"), "")
      assert.strictEqual(
        yield* run("/system/script/run read use-script-permissions"),
        "not enough permissions (9)\r\n"
      )
    }))

  it.live("runs jobs with the rights of the user", () =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({}, ["ssh", "read"])
      const client = yield* connect(simulator, { privateKey })
      yield* exec(client, ":execute \"/file/remove storage-pool/metal-csi\"")
      yield* until(Effect.map(log(simulator), (lines) => lines.includes("not enough permissions (9)")))
      assert.lengthOf(yield* simulator.device.files, 1)
    }))

  it.live.each(
    [
      ["write", "policy=read,write,test", ""],
      ["policy", "policy=read,write,test", "not enough permissions (9)\r\n"]
    ] as const
  )("adding scripts needs the policy %s", ([scriptWrite, policies, expected]) =>
    Effect.gen(function*() {
      const { privateKey, simulator } = yield* startDevice({ unsure: { scriptWrite } })
      const client = yield* connect(simulator, { privateKey })
      assert.strictEqual((yield* exec(client, script("a", ":put 1", policies))).output, expected)
    }))

  it.live.each([["finish", 1], ["stop", 0]] as const)(
    "a job whose connection is lost: %s",
    ([executeLostConnection, left]) =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice({ unsure: { executeLostConnection } })
        yield* Effect.scoped(Effect.gen(function*() {
          const client = yield* connect(simulator, { privateKey })
          yield* exec(client, ":execute \":delay 1h\"")
          assert.strictEqual(yield* jobs(simulator, "where type=command"), 1)
        }))
        yield* until(Effect.map(simulator.connections, (connections) => connections === 0))
        yield* until(Effect.map(jobs(simulator), (count) => count === left))
      })
  )
})

it.layer(NodeServices.layer)("scripts in a state directory", (it) => {
  it.effect("survive a restart", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const stateDirectory = yield* fs.makeTempDirectoryScoped()
      yield* Effect.scoped(
        Effect.flatMap(device({ stateDirectory }), (simulator) => simulator.run(script("a", ":put 1")))
      )
      const again = yield* device({ stateDirectory })
      assert.strictEqual(yield* again.run("/system/script/run a"), "1\r\n")
      yield* again.run(script("b", ":put 2"))
      assert.strictEqual(yield* again.run(":put [:len [/system/script/find]]"), "2\r\n")
    }))
})
