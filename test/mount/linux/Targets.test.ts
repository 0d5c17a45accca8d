import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"
import { overdue, type Reaction, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

/** A mounter for which `/target` is of this kind, as `stat` tells it; every other program answers `reaction`. */
const targetOf = Effect.fnUntraced(function*(stat: Reaction, reaction: Reaction = {}) {
  const { mounter, setMounts } = yield* hostFixture()
  yield* setMounts(["1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 8:2 / /source rw - ext4 /dev/sdb rw"])
  const { layer, runs } = yield* scriptedCommands(({ program, args }) =>
    program === "stat" ? stat : program === "realpath" ? { stdout: `${args.at(-1)}\0` } : reaction
  )
  const run = <A, E>(use: (mounter: Mounter["Service"]) => Effect.Effect<A, E>) =>
    Effect.provide(Mounter.use(use), mounter(layer))
  const changes = Effect.map(runs, (all) =>
    all.filter(({ program }) => program !== "stat" && program !== "realpath")
      .map(({ program, args }) => [program, ...args].join(" ")))
  const makeNode = run((mounter) =>
    mounter.makeBlockNode({ target: "/target", device: { major: 259, minor: 3 }, readOnly: true })
  )
  const bind = run((mounter) => mounter.bind({ source: "/source", target: "/target", readOnly: false }))
  return { run, changes, makeNode, bind, remove: run((mounter) => mounter.removeTarget("/target")) }
})

const kinds = {
  absent: { code: 1, stderr: "stat: cannot statx '/target': No such file or directory\n" },
  directory: { stdout: "41e8 0 0 4096\n" },
  emptyFile: { stdout: "81a4 0 0 0\n" },
  data: { stdout: "81a4 0 0 10\n" },
  link: { stdout: "a1ff 0 0 0\n" },
  /** 259:3, 0660 */
  node: { stdout: "61b0 103 3 0\n" },
  /** 259:4, 0440 */
  otherNode: { stdout: "6120 103 4 0\n" }
}
const full = { code: 1, stderr: "x: cannot create: No space left on device\n" }

describe("Targets", () => {
  it.layer(NodeServices.layer)((it) => {
    it.effect("trap: a block target left from before a reboot names another volume's device. It is replaced", () =>
      Effect.gen(function*() {
        const made = "mknod --mode=0440 -- /target b 259 3"
        const expected = [[kinds.absent, [made]], [kinds.node, ["unlink -- /target", made]], [
          kinds.otherNode,
          ["unlink -- /target", made]
        ]] as const
        for (const [kind, commands] of expected) {
          const { changes, makeNode } = yield* targetOf(kind)
          yield* makeNode
          assert.deepStrictEqual(yield* changes, [...commands])
        }
      }))

    it.effect("what this driver does not put at a target is left alone", () =>
      Effect.gen(function*() {
        for (const kind of [kinds.directory, kinds.data, kinds.link, kinds.emptyFile]) {
          const { changes, makeNode } = yield* targetOf(kind)
          assert.strictEqual((yield* Effect.flip(makeNode))._tag, "TargetOccupied")
          assert.deepStrictEqual(yield* changes, [])
        }
        for (const kind of [kinds.data, kinds.link]) {
          const { bind, changes, remove } = yield* targetOf(kind)
          assert.strictEqual((yield* Effect.flip(remove))._tag, "TargetOccupied")
          assert.strictEqual((yield* Effect.flip(bind))._tag, "TargetOccupied")
          assert.deepStrictEqual(yield* changes, [])
        }
      }))

    it.effect("trap: the target is removed recursively. One directory, node or empty file is removed, or nothing", () =>
      Effect.gen(function*() {
        const expected = [
          [kinds.directory, ["rmdir -- /target"]],
          [kinds.node, ["unlink -- /target"]],
          [kinds.emptyFile, ["unlink -- /target"]],
          [kinds.absent, []]
        ] as const
        for (const [kind, commands] of expected) {
          const { changes, remove } = yield* targetOf(kind)
          yield* remove
          assert.deepStrictEqual(yield* changes, [...commands])
        }
        const notEmpty = { code: 1, stderr: "rmdir: failed to remove '/target': Directory not empty\n" }
        const { remove } = yield* targetOf(kinds.directory, notEmpty)
        assert.strictEqual((yield* Effect.flip(remove))._tag, "TargetOccupied")
      }))

    it.effect("a full disk is told from other failures", () =>
      Effect.gen(function*() {
        for (const [reaction, tag] of [[full, "StorageExhausted"], [{ code: 1 }, "MountFailed"]] as const) {
          const { bind, makeNode } = yield* targetOf(kinds.absent, reaction)
          assert.strictEqual((yield* Effect.flip(makeNode))._tag, tag)
          assert.strictEqual((yield* Effect.flip(bind))._tag, tag)
        }
      }))

    it.effect("a directory made for a bind that fails is removed again, one that was there is not", () =>
      Effect.gen(function*() {
        for (const [kind, removed] of [[kinds.absent, true], [kinds.directory, false]] as const) {
          const { bind, changes } = yield* targetOf(kind)
          assert.strictEqual((yield* Effect.flip(bind))._tag, "MountFailed")
          assert.strictEqual((yield* changes).includes("rmdir -- /target"), removed)
        }
      }))

    it.effect("a path that cannot be looked at is a failure, not an absent target", () =>
      Effect.gen(function*() {
        for (const reaction of [overdue("stat"), { code: 1, stderr: "stat: /target: Input/output error\n" }]) {
          const { makeNode, remove, run } = yield* targetOf(reaction)
          for (const call of [makeNode, remove, run((mounter) => mounter.blockNode("/target"))]) {
            assert.strictEqual((yield* Effect.flip(call))._tag, "MountFailed")
          }
        }
      }))
  })
})
