import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"
import { type Reaction, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

/** A device with this `ro` in sysfs, which blockdev changes to `after`. */
const deviceThat = Effect.fnUntraced(function*({ after, before, reaction = {} }: {
  readonly before: string
  readonly after: string
  readonly reaction?: Reaction
}) {
  const { addDevice, mounter, roots, write } = yield* hostFixture()
  const device = yield* addDevice("nvme0n1", 0, 4096)
  const set = (text: string) => Effect.orDie(write(`${roots.sysRoot}/dev/block/259:0/ro`, `${text}\n`))
  if (before !== "") yield* set(before)
  const { layer, runs } = yield* scriptedCommands(() => Effect.as(set(after), reaction))
  return {
    commands: Effect.map(runs, (all) => all.map(({ args, program }) => [program, ...args].join(" "))),
    device,
    setReadOnly: (readOnly: boolean, path = device.path) =>
      Effect.provide(Mounter.use((one) => one.setReadOnly({ ...device, path }, readOnly)), mounter(layer))
  }
})

describe("write protection of a block device", () => {
  it.layer(NodeServices.layer)((it) => {
    it.effect("is set and lifted with blockdev, which is not run when it is so already", () =>
      Effect.gen(function*() {
        for (const readOnly of [true, false]) {
          const [after, before] = readOnly ? ["1", "0"] as const : ["0", "1"] as const
          const { commands, device, setReadOnly } = yield* deviceThat({ before, after })
          yield* setReadOnly(readOnly)
          yield* setReadOnly(readOnly)
          assert.deepStrictEqual(yield* commands, [`blockdev ${readOnly ? "--setro" : "--setrw"} ${device.path}`])
        }
      }))

    it.effect("that does not take effect, or cannot be set, is a failure", () =>
      Effect.gen(function*() {
        const reaction = { code: 1, stderr: "blockdev: ioctl error on BLKROSET: Permission denied\n" }
        for (const after of [{ before: "0", after: "0" }, { before: "0", after: "1", reaction }]) {
          const { setReadOnly } = yield* deviceThat(after)
          assert.strictEqual((yield* Effect.flip(setReadOnly(true)))._tag, "MountFailed")
        }
      }))

    it.effect("of which the kernel says nothing is a failure, and nothing is run", () =>
      Effect.gen(function*() {
        const { commands, setReadOnly } = yield* deviceThat({ before: "", after: "0" })
        assert.strictEqual((yield* Effect.flip(setReadOnly(false)))._tag, "DeviceUnreadable")
        assert.isEmpty(yield* commands)
      }))

    it.effect("trap: a name that belongs to another device now is not touched", () =>
      Effect.gen(function*() {
        const { commands, device, setReadOnly } = yield* deviceThat({ before: "0", after: "1" })
        const error = yield* Effect.flip(setReadOnly(true, device.path.replace("nvme0n1", "nvme1n1")))
        assert.strictEqual(error._tag, "DeviceUnreadable")
        assert.isEmpty(yield* commands)
      }))
  })
})
