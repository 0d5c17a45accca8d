import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { requireNvmeTcp } from "../../../src/nvme/linux/Preflight.ts"
import { type Reaction, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

const version = { stdout: "nvme version 2.3 (git 2.3)\nlibnvme version 1.3 (git 1.3)\n" }

/** The check on a host that has just these directories and files. */
const onHost = (paths: ReadonlyArray<string>, reaction: Reaction | undefined) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const root = yield* fs.makeTempDirectoryScoped()
    yield* Effect.forEach(paths, (path) => fs.makeDirectory(`${root}/${path}`, { recursive: true }))
    const { layer } = yield* scriptedCommands(() => reaction)
    return yield* requireNvmeTcp({ sysRoot: `${root}/sys`, devRoot: `${root}/dev` }).pipe(Effect.provide(layer))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const loaded = ["sys/module/nvme_tcp", "sys/class/nvme", "dev/nvme-fabrics"]

describe("requireNvmeTcp", () => {
  it.live("answers the version where everything is there", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* onHost(loaded, version), "nvme version 2.3 (git 2.3)")
    }))

  it.live("is content with nvme-fabrics alone: the kernel loads the transport when it is asked for", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* onHost(["sys/class/nvme", "dev/nvme-fabrics"], version), "nvme version 2.3 (git 2.3)")
    }))

  for (
    const [what, paths, reaction, words] of [
      ["no module", ["sys", "dev"], version, [
        "modprobe nvme-tcp",
        "/etc/modules-load.d/nvme-tcp.conf",
        "boot.kernelModules"
      ]],
      ["a /dev that is not the host's", ["sys/module/nvme_tcp", "sys/class/nvme", "dev"], version, [
        "/dev/nvme-fabrics is missing",
        "host's /dev"
      ]],
      ["a /sys that is not the host's", ["sys", "dev/nvme-fabrics"], version, ["class/nvme is missing"]],
      ["no program", loaded, undefined, ["nvme-cli", "ENOENT"]],
      ["a program that does not work", loaded, { code: 127, stderr: "libnvme.so.1: cannot open shared object" }, [
        "nvme-cli",
        "code 127",
        "libnvme.so.1"
      ]]
    ] as const
  ) {
    it.live(`${what}: says what to do`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(onHost(paths, reaction))
        for (const word of words) assert.include(error.message, word)
      }))
  }
})
