import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { spawnSync } from "node:child_process"
import type { Simulator } from "../../../src/simulator/Simulator.ts"
import { addDisk, startDevice } from "../support/Device.ts"

const version = spawnSync("ssh", ["-V"], { encoding: "utf8" })
const isInstalled = version.error === undefined
const isCi = process.env["CI"] === "true"

it.skipIf(!isCi)("CI has OpenSSH's client", () => {
  assert.isTrue(isInstalled, "ssh is not installed")
})

/** Runs OpenSSH's own client; `input` is what is typed. */
const ssh = Effect.fnUntraced(function*(
  { host, hostKeys, port }: Simulator,
  privateKey: string,
  args: ReadonlyArray<string>,
  input?: string
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const directory = yield* fs.makeTempDirectoryScoped()
  const keyFile = path.join(directory, "key")
  const knownHosts = path.join(directory, "known_hosts")
  yield* fs.writeFileString(keyFile, privateKey, { mode: 0o600 })
  yield* fs.writeFileString(knownHosts, `${hostKeys.knownHosts}\n`)
  const options = [
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${knownHosts}`,
    "IdentitiesOnly=yes",
    "BatchMode=yes"
  ]
  const child = yield* spawner.spawn(ChildProcess.make(
    "ssh",
    ["-F", "none", "-i", keyFile, "-p", `${port}`, ...options.flatMap((option) => ["-o", option]), ...args],
    {
      stdin: { stream: Stream.make(new TextEncoder().encode(input ?? "")) },
      forceKillAfter: "1 second",
      extendEnv: true
    }
  ))
  const [output, code] = yield* Effect.all([Stream.mkString(Stream.decodeText(child.stdout)), child.exitCode], {
    concurrency: 2
  })
  return { output, code: Number(code), host }
})

describe.skipIf(!isInstalled)("OpenSSH's ssh (skipped when it is not installed)", () => {
  it.layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("checks the host key from the known_hosts line and gets the device's answer", () =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice()
        yield* simulator.run(addDisk("x"))
        const target = `csi@${simulator.host}`
        const { code, output } = yield* ssh(simulator, privateKey, [target, "/disk/print detail where slot=x"])
        assert.strictEqual(code, 0)
        assert.match(output, /^Flags: B - BLOCK-DEVICE; t - NVME-TCP-EXPORT\r\n 0 Bt type=file slot="x"/)
        const failed = yield* ssh(simulator, privateKey, [target, "/disk/remove nope"])
        assert.deepStrictEqual([failed.code, failed.output], [0, "no such item (4)\r\n"])
      }))

    it.effect("refuses a host key that is not the pinned one", () =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice()
        yield* simulator.faults.add("new-host-key")
        const { code } = yield* ssh(simulator, privateKey, [`csi@${simulator.host}`, ":put 1"])
        assert.strictEqual(code, 255)
      }))

    it.effect("has an interactive shell on a terminal", () =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice()
        const typed = "/disk\rprint count-only\r:put (1 + 1)\r/quit\r"
        const { code, output } = yield* ssh(simulator, privateKey, ["-tt", `csi@${simulator.host}`], typed)
        assert.strictEqual(code, 0)
        assert.include(output, "[csi@RDS] > ")
        assert.include(output, "[csi@RDS] /disk> ")
        assert.match(output, /print count-only.*\r\n1\r\n/)
        assert.match(output, /\r\n2\r\n/)
      }))

    it.effect("runs a script of 40 lines that is piped in, and writes only what it prints", () =>
      Effect.gen(function*() {
        const { privateKey, simulator } = yield* startDevice()
        for (const name of ["x1", "x2", "y1"]) yield* simulator.run(addDisk(name))
        const { code, output } = yield* ssh(simulator, privateKey, ["-T", `csi@${simulator.host}`], script)
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(output.split("\r\n"), [
          "x1 is exported as nqn.2000-02.com.mikrotik:x1",
          "x2 is exported as nqn.2000-02.com.mikrotik:x2",
          "files: 2, bytes: 2147483648",
          "  x1 1 GiB",
          "  x2 1 GiB",
          "pool storage-pool xfs clean",
          "plenty of room: 1% used",
          "nothing matched, nothing said",
          "get needs an item",
          "caught: on purpose (:error; line 39)",
          "ab",
          "bc",
          "cd",
          "144",
          "{\"n\":1,\"on\":true,\"slot\":\"x\"}",
          ""
        ])
      }))
  })
})

/** As operators write them: a report over the disks, then one of each thing the language has. */
const script = String.raw`{
# capacity report as operators write it
:local prefix "x"
:local total 0
:local names ({})
:local rows [/disk/print detail as-value where type=file and slot~("^" . $prefix)]
:foreach k,row in=$rows do={
  :local slot ($row->"slot")
  :local bytes ($row->"file-size")
  :if ([:typeof $bytes] = "nothing") do={ :set bytes ($row->"size") }
  :set total ($total + $bytes)
  :set ($names->$slot) $bytes
  :if ($row->"nvme-tcp-export") do={
    :put ($slot . " is exported as " . ($row->"nvme-tcp-server-nqn"))
  } else={
    :put "$slot is not exported"
  }
}
:put ("files: " . [:len $names] . ", bytes: $total")
:foreach name,bytes in=$names do={
  :local gib ($bytes / 1073741824)
  :put "  $name $gib GiB"
}
:local pools [/disk/print detail as-value where mounted]
:if ([:len $pools] = 0) do={ :error "no pool" }
:local pool ($pools->0)
:put ("pool " . ($pool->"slot") . " " . ($pool->"fs") . " " . ($pool->"state"))
:local percent (100 - ($pool->"free") * 100 / ($pool->"size"))
:if ($percent > 80) do={
  :put "nearly full"
} else={
  :if ($percent > 50) do={ :put "half full" } else={ :put "plenty of room: $percent% used" }
}
:do {
  /disk/set [find slot="nope"] file-size=1
  :put "nothing matched, nothing said"
  /disk/get [find slot="nope"] slot
} on-error={ :put "get needs an item" }
:onerror e in={ :error "on purpose" } do={ :put ("caught: " . $e) }
:for i from=1 to=3 do={ :put [:pick "abcdef" ($i - 1) ($i + 1)] }
:local square do={ :return ($1 * $1) }
:put [$square 12]
:put [:serialize to=json value={"slot"="x"; "n"=1; "on"=true}]
}
`
