import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { initiator, startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import { attach, formatted, mountsAt, raw } from "./support/Volumes.ts"

/** ReadWriteMany with volumeMode Block, as for a virtual machine that migrates. */
const shared = { ...raw, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }

describe.skipIf(prepared === undefined)("nodes", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "4 minutes" })((it) => {
    it.effect(
      "a node loses power: its volume is staged again with what was written",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const volume = yield* claim(pvc(1), formatted("ext4"), [nodeA])
        const { path, publish, stage, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
        const { written } = yield* startWriter(vm, `${path}/data`, "power", 3)
        const { blocks } = yield* written
        yield* vm.cut
        yield* vm.powerOn
        yield* nodeA.start
        yield* stage
        yield* publish("pod")
        assert.strictEqual(yield* mountsAt(vm, path), 1)
        assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, "power", blocks), 0)
        yield* unpublish("pod")
        yield* unstage
      })
    )

    it.effect(
      "a node reboots: block nodes from before name other volumes (trap: stale major:minor), and are made anew",
      Effect
        .fnUntraced(function*() {
          const { claim, nodeA } = yield* Cluster
          const { vm } = nodeA
          const one = yield* attach(nodeA, yield* claim(pvc(2), raw, [nodeA]), "pod")
          const two = yield* attach(nodeA, yield* claim(pvc(3), raw, [nodeA]), "pod")
          const { blocks: ones } = yield* Effect.flatMap(startWriter(vm, one.path, "one", 1), ({ written }) => written)
          const { blocks: twos } = yield* Effect.flatMap(startWriter(vm, two.path, "two", 1), ({ written }) => written)
          const numbers = vm.sh(`stat -c %t:%T ${one.path} ${two.path}`)
          const before = yield* numbers
          yield* vm.sh("sync")
          yield* vm.cut
          yield* vm.powerOn
          yield* nodeA.start
          for (const { publish, stage } of [two, one]) {
            yield* stage
            yield* publish("pod")
          }
          assert.strictEqual(yield* numbers, before.split("\n").toReversed().join("\n"))
          assert.strictEqual(yield* wrongBlocks(vm, one.path, "one", ones), 0)
          assert.strictEqual(yield* wrongBlocks(vm, two.path, "two", twos), 0)
          for (const { unpublish, unstage } of [one, two]) {
            yield* unpublish("pod")
            yield* unstage
          }
        })
    )

    it.effect(
      "a block volume moves from node to node under a writer that hands over",
      Effect.fnUntraced(function*() {
        const { claim, controller, nodeA, nodeB } = yield* Cluster
        const volume = yield* claim(pvc(4), shared, [nodeA, nodeB])
        const source = yield* attach(nodeA, volume, "source")
        const target = yield* attach(nodeB, volume, "target")
        const { blocks } = yield* Effect.flatMap(
          startWriter(nodeA.vm, source.path, "first", 2),
          ({ written }) => written
        )
        assert.strictEqual(yield* wrongBlocks(nodeB.vm, target.path, "first", blocks), 0)
        yield* source.unpublish("source")
        yield* source.unstage
        yield* controller.unpublish(volume.volumeId, nodeA.vm.name)
        const { blocks: more } = yield* Effect.flatMap(
          startWriter(nodeB.vm, target.path, "second", 2),
          ({ written }) => written
        )
        assert.strictEqual(yield* wrongBlocks(nodeB.vm, target.path, "second", more), 0)
        yield* target.unpublish("target")
        yield* target.unstage
      })
    )

    it.effect(
      "a connection of someone else is never touched (trap: clean-up disconnects the node's root disk)",
      Effect.fnUntraced(
        function*() {
          const { appliance, claim, nodeB } = yield* Cluster
          const nqn = "nqn.2024-01.org.example:root-disk"
          yield* appliance.console(
            "/disk/add type=file slot=root-disk file-path=/storage-pool/root-disk.img file-size=64M mount-filesystem=no " +
              `nvme-tcp-export=yes nvme-tcp-server-nqn=${nqn}`
          )
          const foreign = initiator(nodeB.vm, nqn)
          yield* foreign.connect()
          const device = yield* foreign.device
          const writer = yield* startWriter(nodeB.vm, device, "root", 20)
          const { unpublish, unstage } = yield* attach(nodeB, yield* claim(pvc(5), formatted("xfs"), [nodeB]), "pod")
          yield* Effect.andThen(nodeB.kill, nodeB.start)
          yield* unpublish("pod")
          yield* unstage
          const { blocks } = yield* writer.written
          assert.strictEqual(yield* wrongBlocks(nodeB.vm, device, "root", blocks), 0)
          assert.strictEqual(yield* foreign.state, "live")
          yield* foreign.disconnect
        }
      )
    )
  })
})
