import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Schema } from "effect"
import { CliOutput, Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { presenter } from "../../../src/cli/Exit.ts"
import { simulatorCommand } from "../../../src/cli/Simulator.ts"
import { generateSshKeyPair } from "../../../src/simulator/Keys.ts"
import { connect, exec, until } from "../support/SshClient.ts"

const run = (...args: ReadonlyArray<string>) =>
  Command.runWith(simulatorCommand, { version: "test" })(args).pipe(
    Effect.provide(CliOutput.layerPresenter(presenter))
  )

const output = Effect.map(TestConsole.logLines, (lines) => lines.map(String).join("\n"))
const errors = Effect.map(TestConsole.errorLines, (lines) => lines.map(String).join("\n"))

const Ready = Schema.fromJsonString(Schema.Struct({
  ready: Schema.Literal(true),
  host: Schema.String,
  port: Schema.Int,
  hostKey: Schema.String,
  knownHosts: Schema.String
}))

const userKey = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped()
  const key = yield* generateSshKeyPair("me")
  const file = path.join(directory, "key.pub")
  yield* fs.writeFileString(file, `# my key\n${key.publicKey}\n`)
  return { directory, file, privateKey: key.privateKey }
})

it.layer(NodeServices.layer, { excludeTestServices: true })("rds-csi simulator", (it) => {
  it.effect("says when it is ready, and is the device that its flags describe", () =>
    Effect.gen(function*() {
      const { file, privateKey } = yield* userKey
      const pool = "slot=raid10,size=2T,fs=btrfs,label=Data,mount-point=fast"
      const flags = [
        "--ros-version=7.23.1",
        "--pool",
        pool,
        "--directory=fast/volumes",
        "--identity=lab",
        "--copy-rate=100"
      ]
      yield* Effect.forkChild(run("--port=0", "--json", `--authorized-key=csi=${file}`, ...flags))
      yield* until(Effect.map(output, (text) => text !== ""))
      const ready = yield* Schema.decodeEffect(Ready)(yield* output)
      const client = yield* connect(ready, { privateKey })
      const line =
        ":put [/system/resource/get version]; :put [/disk/get raid10 fs]; :put [/system/identity/get name]; " +
        ":put [/disk/get raid10 size]; :put [/file/find name=\"fast/volumes\"]; " +
        ":put [/disk/btrfs/filesystem/get [find] label]"
      const answer = yield* exec(client, line)
      assert.match(answer.output, /^7\.23\.1 \(stable\)\r\nbtrfs\r\nlab\r\n2199023255552\r\n\*[0-9A-F]+\r\nData\r\n$/)
      // A tenth of the rate takes a tenth of a second.
      const copy = "/file/add name=fast/a contents=1234567890; :put [:time { /file/copy fast/a name=fast/b }]"
      assert.notMatch((yield* exec(client, copy)).output, /^00:00:00(\.0\d*)?\r\n$/)
    }).pipe(Effect.provide(TestConsole.layer)))

  it.effect("tells people the command to try", () =>
    Effect.gen(function*() {
      const { directory, file } = yield* userKey
      const socket = `${directory}/rds.sock`
      yield* Effect.forkChild(run("--port=0", `--authorized-key=me=${file}`, `--control-socket=${socket}`))
      yield* until(Effect.map(output, (text) => text.includes("ready")))
      const text = yield* output
      assert.match(text, /host key +ssh-ed25519 AAAA/)
      assert.match(text, /try +ssh -p \d+ me@127\.0\.0\.1 \/disk\/print/)
      assert.include(text, `nc -U ${socket}`)
    }).pipe(Effect.provide(TestConsole.layer)))

  it.effect("--help explains every fault, every unsure point and the control socket", () =>
    Effect.gen(function*() {
      yield* run("--help")
      const text = yield* output
      for (
        const word of [
          "cut=",
          "hang=",
          "reboot=",
          "error=",
          "answer=",
          "delay=",
          "pool-full",
          "slow-remove=",
          "refuse-auth"
        ]
      ) {
        assert.include(text, word)
      }
      for (
        const word of [
          "new-host-key",
          "match=",
          "nth=",
          "count=",
          "--unsure-busy-file",
          "\"op\":\"add-fault\"",
          "EXAMPLES"
        ]
      ) {
        assert.include(text, word)
      }
    }).pipe(Effect.provide(TestConsole.layer)))

  it.effect.each<readonly [ReadonlyArray<string>, string]>([
    [[], "--authorized-key: nobody could log in"],
    [["--authorized-key=csi"], "--authorized-key: csi; expected <user>=…"],
    [["--authorized-key=csi=/no/such/file"], "/no/such/file cannot be read: NotFound"],
    [["--authorized-key=csi=KEY", "--policies=admin=ssh"], "--policies: admin has no --authorized-key"],
    [["--authorized-key=csi=KEY", "--policies=csi=ssh,root"], "--policies: \"root\"; allowed: local, "],
    [["--authorized-key=csi=KEY", "--fault=cut=now"], "--fault: cut=now; allowed: before, during, after"],
    [["--authorized-key=csi=KEY", "--pool=slot=x"], "size= is missing"],
    [["--authorized-key=csi=KEY", "--pool=slot=x,size=1X"], "size=1X; expected bytes"],
    [["--authorized-key=csi=KEY", "--pool=slot=x,size=1T,fs=ntfs"], "fs=ntfs; expected xfs, btrfs or ext4"],
    [["--authorized-key=csi=KEY", "--pool=slot=x,colour=red"], "colour=red; expected slot=…"],
    [["--authorized-key=csi=KEY", "--host-key=KEY"], "host key is not an unencrypted private key"],
    [["--authorized-key=csi=KEY", "--state-dir=KEY"], "state directory"],
    [["--authorized-key=csi=KEY", "--exports=nvmet"], "--exports=nvmet needs --state-dir"],
    [["--authorized-key=csi=KEY", "--host=203.0.113.1"], "cannot listen on 203.0.113.1:2222"]
  ])("refuses %j with one clear line", ([args, message]) =>
    Effect.gen(function*() {
      const { file } = yield* userKey
      const error = yield* Effect.flip(run(...args.map((arg) => arg.replace("KEY", file))))
      assert.include(error.message, message)
      assert.notInclude(error.message, "\n")
      assert.strictEqual(yield* output, "")
    }).pipe(Effect.provide(TestConsole.layer)))

  it.effect.each<readonly [string, string]>([
    ["--port=70000", "Expected a whole number from 0 to 65535"],
    ["--ros-version=seven", "Expected a version such as 7.24.4"],
    ["--latency=fast", "Expected a time with a unit"],
    ["--unsure-busy-file=maybe", "refuse"],
    ["--without-package=routeros", "rose-storage"],
    ["--fualt=x", "fualt"]
  ])("refuses %s on the command line", ([arg, message]) =>
    Effect.gen(function*() {
      const { file } = yield* userKey
      yield* Effect.flip(run(`--authorized-key=csi=${file}`, arg))
      assert.include(yield* errors, message)
    }).pipe(Effect.provide(TestConsole.layer)))
})
