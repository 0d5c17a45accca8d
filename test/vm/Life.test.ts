import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { crc32 } from "node:zlib"
import { VolumeUsage_Unit as Unit } from "../../src/csi/gen/csi_pb.ts"
import { insist } from "../support/Insist.ts"
import { GiB, pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startWriter, wrongBlocks } from "./support/Initiator.ts"
import { prepared } from "./support/Machines.ts"
import type { NodePlugin } from "./support/NodePlugin.ts"
import { attach, formatted, isClean, mountsAt, raw, refused } from "./support/Volumes.ts"

const writeSome = (plugin: NodePlugin, path: string, seed: string) =>
  Effect.flatMap(startWriter(plugin.vm, path, seed, 1), ({ written }) => written)

/**
 * The label of a physical volume, for the second sector, in base64 (LVM2, lib/label/label.h): its checksum is a CRC-32 that
 * begins with another number than usual and is not inverted.
 */
const lvmLabel = () => {
  const sector = Buffer.alloc(512)
  sector.write("LABELONE", 0)
  sector.writeBigUInt64LE(1n, 8)
  sector.writeUInt32LE(32, 20)
  sector.write("LVM2 001", 24)
  sector.write("rdscsi0000000000000000000000test", 32)
  sector.writeUInt32LE(~crc32(sector.subarray(20), ~0xf597a6cf >>> 0) >>> 0, 16)
  return sector.toString("base64")
}

describe.skipIf(prepared === undefined)("volumes on a real kernel", () => {
  layer(Cluster.oneNode, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    for (const [number, fsType] of (["ext4", "xfs"] as const).entries()) {
      it.effect(
        `${fsType}: data, repeated calls, growth online, usage, and the data again after a second stage`,
        Effect.fnUntraced(
          function*() {
            const { claim, controller, nodeA } = yield* Cluster
            const { vm } = nodeA
            const volume = yield* claim(pvc(number), formatted(fsType), [nodeA])
            const { expand, path, publish, stage, staging, stats, unpublish, unstage } = yield* attach(
              nodeA,
              volume,
              "pod"
            )
            const { blocks } = yield* writeSome(nodeA, `${path}/data`, fsType)

            yield* stage
            yield* publish("pod")
            assert.strictEqual(yield* mountsAt(vm, path), 1)
            assert.strictEqual(yield* mountsAt(vm, staging), 1)
            assert.strictEqual(yield* vm.sh(`stat -f -c %T ${path}`), fsType === "ext4" ? "ext2/ext3" : "xfs")

            yield* controller.expand(volume.volumeId, 2n * GiB)
            yield* expand(2n * GiB, "pod")
            const usage = (yield* stats("pod")).usage.find(({ unit }) => unit === Unit.BYTES)
            assert.isAbove(Number(usage?.total), 1.8 * Number(GiB))
            assert.isAtLeast(Number(usage?.used), blocks * 4096)

            yield* unpublish("pod")
            assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "")
            yield* unstage
            yield* isClean(nodeA, volume)

            yield* stage
            yield* publish("pod")
            assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, fsType, blocks), 0)
            yield* publish("reader", true)
            assert.strictEqual(
              yield* vm.sh(`touch ${nodeA.volume(volume).target("reader")}/no 2>/dev/null || echo refused`),
              "refused"
            )
            yield* Effect.forEach(["pod", "reader"], unpublish)
            yield* unstage
            yield* insist(controller.unpublish(volume.volumeId, vm.name))
            yield* insist(controller.remove(volume.volumeId))
          }
        )
      )
    }

    it.effect(
      "block: data, growth online, size, and no mount of a device node (trap: /dev bound into pods)",
      Effect.fnUntraced(
        function*() {
          const { claim, controller, nodeA } = yield* Cluster
          const { vm } = nodeA
          const volume = yield* claim(pvc(10), raw, [nodeA])
          const { expand, path, publish, stats, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
          const { blocks } = yield* writeSome(nodeA, path, "block")
          yield* publish("pod")
          assert.strictEqual(yield* vm.sh(`stat -c %F ${path}`), "block special file")
          assert.strictEqual(yield* mountsAt(vm, path), 0)

          yield* controller.expand(volume.volumeId, 2n * GiB)
          yield* expand(2n * GiB, "pod")
          assert.strictEqual(yield* vm.sh(`blockdev --getsize64 ${path}`), `${2n * GiB}`)
          assert.strictEqual((yield* stats("pod")).usage[0]?.total, 2n * GiB)
          assert.strictEqual(yield* wrongBlocks(vm, path, "block", blocks), 0)

          yield* unpublish("pod")
          assert.strictEqual(yield* vm.sh(`ls -d ${path} 2>/dev/null || true`), "")
          yield* unstage
          yield* isClean(nodeA, volume)
        }
      )
    )

    it.effect(
      "the plugin killed after every step (trap: state kept in memory only)",
      Effect.fnUntraced(function*() {
        const { claim, nodeA } = yield* Cluster
        const { kill, start, vm } = nodeA
        const volume = yield* claim(pvc(20), formatted("ext4"), [nodeA])
        const { publish, stage, target, unpublish, unstage } = nodeA.volume(volume)
        const again = Effect.andThen(kill, start)
        yield* stage
        yield* again
        yield* stage
        yield* publish("pod")
        const { blocks } = yield* writeSome(nodeA, `${target("pod")}/data`, "killed")
        yield* again
        yield* publish("pod")
        assert.strictEqual(yield* mountsAt(vm, target("pod")), 1)
        assert.strictEqual(yield* wrongBlocks(vm, `${target("pod")}/data`, "killed", blocks), 0)
        yield* unpublish("pod")
        yield* again
        yield* unstage
        yield* isClean(nodeA, volume)
      })
    )

    it.effect(
      "a volume in use in another mount namespace is not disconnected (trap: in-use check blind to namespaces)",
      Effect.fnUntraced(
        function*() {
          const { claim, nodeA } = yield* Cluster
          const volume = yield* claim(pvc(40), formatted("ext4"), [nodeA])
          const { unpublish, unstage } = yield* attach(nodeA, volume, "pod")
          const holder = yield* nodeA.vm.start(["unshare", "--mount", "--propagation", "private", "sleep", "600"])
          yield* nodeA.vm.sh(`until grep -q sleep /proc/${holder.pid}/comm; do sleep 0.1; done`)
          yield* unpublish("pod")
          yield* refused(unstage, "FAILED_PRECONDITION")
          yield* nodeA.vm.sh(`kill -KILL ${holder.pid}`)
          yield* holder.outcome
          yield* unstage
          yield* isClean(nodeA, volume)
        }
      )
    )

    it.effect(
      "a block volume held open by a process elsewhere is not disconnected (trap: in-use check blind to PIDs)",
      Effect.fnUntraced(
        function*() {
          const { claim, nodeA } = yield* Cluster
          const volume = yield* claim(pvc(41), raw, [nodeA])
          const { path, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
          const holder = yield* nodeA.vm.start(["unshare", "--mount", "sh", "-c", `exec 3<>${path}; exec sleep 600`])
          yield* nodeA.vm.sh(`until grep -q sleep /proc/${holder.pid}/comm; do sleep 0.1; done`)
          yield* unpublish("pod")
          yield* refused(unstage, "FAILED_PRECONDITION")
          yield* nodeA.vm.sh(`kill -KILL ${holder.pid}`)
          yield* holder.outcome
          yield* unstage
          yield* isClean(nodeA, volume)
        }
      )
    )

    const contents = {
      "a partition table": (image: string) => `sgdisk --new=1:2048:4096 ${image} >/dev/null`,
      "an LVM label": (image: string) =>
        `echo ${lvmLabel()} | base64 -d | dd of=${image} bs=512 seek=1 conv=notrunc status=none`,
      "a LUKS header": (image: string) => `printf 'LUKS\\272\\276\\000\\001' | dd of=${image} conv=notrunc status=none`,
      btrfs: (image: string) => `mkfs.btrfs --quiet --force ${image}`,
      "unknown data": (image: string) => `head -c 65536 /dev/urandom | dd of=${image} conv=notrunc status=none`
    }
    for (const [number, [title, write]] of Object.entries(contents).entries()) {
      it.effect(
        `${title} on a volume is not formatted (trap: no TYPE taken for empty)`,
        Effect.fnUntraced(function*() {
          const { appliance, claim, nodeA } = yield* Cluster
          const volume = yield* claim(pvc(50 + number), formatted("ext4"), [nodeA])
          const image = appliance.imageOf(volume.volumeId)
          yield* appliance.vm.sh(write(image))
          const before = yield* appliance.vm.sh(`head -c 4M ${image} | sha256sum`)
          yield* refused(nodeA.volume(volume).stage, "FAILED_PRECONDITION")
          assert.strictEqual(yield* appliance.vm.sh(`sync; head -c 4M ${image} | sha256sum`), before)
          yield* isClean(nodeA, volume)
        })
      )
    }
  })
})
