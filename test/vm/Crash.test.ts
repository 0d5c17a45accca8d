import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { pvc } from "../support/Requests.ts"
import { type Breakpoint, crash, replaced } from "./support/Breakpoint.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import { formatted, isClean, mountsAt, refused } from "./support/Volumes.ts"

/** In the order in which stage runs its programs. Its record is written between mkfs and mount. */
const inStage: ReadonlyArray<Breakpoint> = [
  { program: "nvme", moment: "beside" },
  { program: "nvme", moment: "after" },
  { program: "mkfs.ext4", moment: "beside" },
  { program: "mkfs.ext4", moment: "after" },
  { program: "mount", moment: "before" },
  { program: "mount", moment: "after" }
]

/** When the volume has a file system, which is checked and grown. */
const inSecondStage: ReadonlyArray<Breakpoint> = [
  { program: "e2fsck", moment: "after" },
  { program: "resize2fs", moment: "after" }
]

/** Of unstage; what is left then is the record. */
const inUnstage: ReadonlyArray<Breakpoint> = [
  { program: "umount", moment: "after" },
  { program: "nvme", moment: "after" }
]

const inPublish: ReadonlyArray<Breakpoint> = [
  { program: "mount", moment: "before" },
  { program: "mount", moment: "after" }
]

const inUnpublish: ReadonlyArray<Breakpoint> = [
  { program: "umount", moment: "after" },
  { program: "rmdir", moment: "after" }
]

const named = ({ moment, program }: Breakpoint) => `${moment} ${program}`

describe.skipIf(prepared === undefined)("the node plugin, killed with -9", () => {
  layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    for (const [number, breakpoint] of inStage.entries()) {
      it.effect(
        `trap: killed in stage, ${named(breakpoint)}: the next stage completes, and formats once`,
        Effect.fnUntraced(function*() {
          const { claim, nodeA } = yield* Cluster
          const { vm } = nodeA
          const claimed = yield* claim(pvc(number), formatted("ext4"), [nodeA])
          const { stage, staging, unstage } = nodeA.volume(claimed)
          const uuid = vm.sh(
            `d=$(basename /sys/class/nvme-subsystem/nvme-subsys*/nvme*n1); blkid -p -o value -s UUID /dev/$d || true`
          )
          yield* crash(nodeA, breakpoint, stage)
          const made = yield* uuid
          yield* stage
          assert.strictEqual(yield* mountsAt(vm, staging), 1)
          if (made !== "") assert.strictEqual(yield* uuid, made)
          yield* unstage
          yield* isClean(nodeA, claimed)
        })
      )
    }

    it.effect(
      "trap: killed in publish and in unpublish, between any two steps: the next call completes, and nothing is stacked",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(20), formatted("ext4"), [nodeA])
        const { publish, stage, staging, target, unpublish, unstage } = nodeA.volume(claimed)
        const path = target("pod")
        yield* stage
        yield* vm.sh(`echo kept > ${staging}/file`)
        for (const breakpoint of inPublish) {
          yield* crash(nodeA, breakpoint, publish("pod"))
          yield* publish("pod")
          assert.strictEqual(yield* mountsAt(vm, path), 1, named(breakpoint))
          assert.strictEqual(yield* vm.sh(`cat ${path}/file`), "kept", named(breakpoint))
          yield* unpublish("pod")
        }
        for (const breakpoint of inUnpublish) {
          yield* publish("pod")
          yield* crash(nodeA, breakpoint, unpublish("pod"))
          yield* unpublish("pod")
          assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "", named(breakpoint))
          assert.strictEqual(yield* vm.sh(`cat ${staging}/file`), "kept", named(breakpoint))
        }
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )

    it.effect(
      "trap: killed in unstage and in stage of a used volume, between any two steps: the next call completes, no byte lost",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(21), formatted("ext4"), [nodeA])
        const { stage, staging, unstage } = nodeA.volume(claimed)
        yield* stage
        const { written } = yield* startWriter(vm, `${staging}/data`, "x", 1)
        const { blocks } = yield* written
        for (const breakpoint of inUnstage) {
          yield* crash(nodeA, breakpoint, unstage)
          yield* unstage
          yield* isClean(nodeA, claimed)
          yield* stage
          assert.strictEqual(yield* wrongBlocks(vm, `${staging}/data`, "x", blocks), 0, named(breakpoint))
        }
        yield* unstage
        for (const breakpoint of inSecondStage) {
          yield* crash(nodeA, breakpoint, stage)
          yield* stage
          assert.strictEqual(yield* wrongBlocks(vm, `${staging}/data`, "x", blocks), 0, named(breakpoint))
          yield* unstage
        }
      })
    )

    it.effect(
      "trap: staging that is unmounted already is not taken for a block volume when unstage is repeated",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const claimed = yield* claim(pvc(22), formatted("ext4"), [nodeA])
        const { publish, stage, staging, unpublish, unstage } = nodeA.volume(claimed)
        yield* stage
        const path = yield* publish("pod")
        const { stop } = yield* startWriter(vm, `${path}/data`, "x", 600, 50)
        // As an unstage leaves it that was cut off after its first step.
        yield* vm.sh(`umount ${staging}`)
        yield* refused(unstage, "FAILED_PRECONDITION")
        assert.strictEqual(yield* mountsAt(vm, path), 1)
        const { blocks } = yield* stop
        assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, "x", blocks), 0)
        yield* unpublish("pod")
        // nvme-cli of Debian 12 says that all is well when it has disconnected nothing.
        yield* replaced(
          vm,
          "nvme",
          "exit 0",
          refused(nodeA.volume(claimed, nodeA.once("60 seconds")).unstage, "UNAVAILABLE")
        )
        yield* unstage
        yield* isClean(nodeA, claimed)
      })
    )
  })
})
