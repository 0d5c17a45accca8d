import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { crc32 } from "node:zlib"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { wrongBlocks } from "./support/Initiator.ts"
import { blockLife, fileSystemLife, readerBesideWriter, writeSome } from "./support/Lives.ts"
import { prepared } from "./support/Machines.ts"
import { attach, formatted, isClean, mountsAt, raw, refused } from "./support/Volumes.ts"

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
        () => fileSystemLife(fsType, pvc(number))
      )
    }

    it.effect("a pod that may only read, beside one that writes", () => readerBesideWriter(pvc(5)))

    it.effect(
      "block: data, growth online, size, and no mount of a device node (trap: /dev bound into pods)",
      () => blockLife(pvc(10))
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
