import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { initiator, startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import { nqnOf } from "./support/Outages.ts"
import type { Vm } from "./support/Vm.ts"
import { attach, formatted, isClean, mountsAt, raw, refused } from "./support/Volumes.ts"

/** ReadWriteMany with volumeMode Block, as for a virtual machine that migrates. */
const shared = { ...raw, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }

/** What the node plugins call their nodes: version 5 UUIDs of `node-a` and `node-b` in the DNS namespace, made with Python. */
const hostNqn = {
  a: "nqn.2014-08.org.nvmexpress:uuid:bb697ef2-705e-5b37-8072-0b0db4f4d088",
  b: "nqn.2014-08.org.nvmexpress:uuid:083937bd-eb42-50aa-9fe7-bb45b79a0781"
}

describe.skipIf(prepared === undefined)("nodes", () => {
  layer(Cluster.layer, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
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
      "connections of someone else are never touched (trap: clean-up disconnects the node's root disk)",
      Effect.fnUntraced(
        function*() {
          const { appliance, claim, nodeB } = yield* Cluster
          const { vm } = nodeB
          // The second is what RouterOS calls any disk that it exports: the driver's prefix does not make it the driver's.
          const nqns = ["nqn.2024-01.org.example:root-disk", "nqn.2000-02.com.mikrotik:scratch"]
          const foreign = yield* Effect.forEach(nqns, (nqn, number) =>
            Effect.gen(function*() {
              yield* appliance.console(
                `/disk/add type=file slot=disk${number} file-path=/storage-pool/disk${number}.img file-size=64M ` +
                  `mount-filesystem=no nvme-tcp-export=yes nvme-tcp-server-nqn=${nqn}`
              )
              const remote = initiator(vm, nqn)
              yield* remote.connect()
              const device = yield* remote.device
              return { ...remote, device, writer: yield* startWriter(vm, device, nqn, 600, 200), nqn }
            }))
          const orphan = initiator(vm, nqnOf((yield* claim(pvc(6), raw, [nodeB])).volumeId))
          yield* orphan.connect()
          const connections = vm.sh(
            `cd /sys/class/nvme; for c in *; do grep -q ${
              nqnOf("pvc-")
            } $c/subsysnqn || echo $c $(cat $c/cntlid $c/state); done`
          )
          const before = yield* connections
          const { stage, unpublish, unstage } = yield* attach(
            nodeB,
            yield* claim(pvc(5), formatted("xfs"), [nodeB]),
            "pod"
          )
          yield* nodeB.kill
          yield* nodeB.startWith(["--orphan-connection-grace-period=2s"])
          yield* Effect.filterOrFail(orphan.state, (state) => state === "", () => "the orphan is still there").pipe(
            Effect.retry({ times: 100, schedule: Schedule.spaced("500 millis") })
          )
          yield* unpublish("pod")
          yield* unstage
          yield* stage
          yield* unstage
          assert.strictEqual(yield* connections, before)
          for (const { device, disconnect, nqn, writer } of foreign) {
            const { blocks } = yield* writer.stop
            assert.strictEqual(yield* wrongBlocks(vm, device, nqn, blocks), 0)
            yield* disconnect
          }
        }
      )
    )

    it.effect(
      "an export that names one node's host refuses the other",
      Effect.fnUntraced(function*() {
        const { appliance, claim, nodeA, nodeB } = yield* Cluster
        const claimed = yield* claim(pvc(7), shared, [nodeA, nodeB])
        const [a, b] = [nodeA.volume(claimed), nodeB.volume(claimed)]
        const allow = (host: string) =>
          appliance.console(
            `/disk/set [find where nvme-tcp-server-nqn="${
              nqnOf(claimed.volumeId)
            }"] nvme-tcp-server-allow-host-name=${host}`
          )
        const presented = (vm: Vm) =>
          vm.sh(`cat $(grep -l ${claimed.volumeId} /sys/class/nvme/*/subsysnqn | sed s/subsysnqn/hostnqn/)`)

        yield* allow(hostNqn.a)
        yield* a.stage
        assert.strictEqual(yield* presented(nodeA.vm), hostNqn.a)
        const hasty = nodeB.volume(claimed, nodeB.once("60 seconds"))
        assert.include(yield* refused(hasty.stage, "UNAVAILABLE"), "connecting to subsystem")
        yield* isClean(nodeB, claimed)
        yield* a.unstage

        yield* allow(hostNqn.b)
        yield* b.stage
        assert.strictEqual(yield* presented(nodeB.vm), hostNqn.b)
        yield* refused(nodeA.volume(claimed, nodeA.once("60 seconds")).stage, "UNAVAILABLE")

        yield* allow(`""`)
        yield* a.stage
        for (const { unstage } of [a, b]) yield* unstage
      })
    )
  })
})
