import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Option } from "effect"
import { simulatedExports } from "../../src/cli/SimulatedExports.ts"
import * as MemoryKernel from "../../src/csi/node/MemoryKernel.ts"
import { HostPaths } from "../../src/mount/memory/HostPaths.ts"
import { Mounter } from "../../src/mount/Mounter.ts"
import { MemoryExports } from "../../src/nvme/memory/MemoryExports.ts"
import { NvmeFabric } from "../../src/nvme/NvmeFabric.ts"
import { Nqn } from "../../src/volume/Nqn.ts"
import { addImage, addSubvolume, btrfsDevice } from "../simulator/support/Btrfs.ts"

const tuning = { ctrlLossTmo: -1, reconnectDelay: 5, keepAliveTmo: 0 }

/** A node without a kernel, whose appliance is behind the socket. */
const node = (socket: string, directory: string) =>
  Layer.fresh(MemoryKernel.layer({ deviceDelayMillis: 0 })).pipe(
    Layer.provide(MemoryExports.layerOf(simulatedExports(socket))),
    Layer.provide(HostPaths.layerReal(directory))
  )

const connected = Effect.fnUntraced(function*(name: string) {
  const fabric = yield* NvmeFabric
  const nqn = Option.getOrThrow(Nqn.parse(`nqn.2000-02.com.mikrotik:${name}`))
  yield* fabric.connect({ nqn, address: "::1", port: 4420, hostNqn: Nqn.host("n"), hostId: Nqn.hostId("n"), tuning })
  return Option.getOrThrow(yield* fabric.device(nqn))
})

it.layer(NodeServices.layer, { excludeTestServices: true })("simulated nodes of a simulated appliance", (it) => {
  it.effect("find each other's file systems, and in a restored volume the files of the snapshot", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const socket = `${directory}/rds.sock`
      const simulator = yield* btrfsDevice({ controlSocket: socket })
      yield* simulator.run(`${addSubvolume("a")}; ${addImage("a")}`)
      yield* fs.makeDirectory(`${directory}/a`)
      yield* fs.makeDirectory(`${directory}/b`)

      yield* Effect.gen(function*() {
        const mounter = yield* Mounter
        const device = yield* connected("a")
        assert.strictEqual((yield* mounter.probe(device))._tag, "Empty")
        yield* mounter.format(device, "xfs")
        yield* mounter.mount({ device, path: `${directory}/a`, fsType: "xfs", flags: [] })
        yield* fs.writeFileString(`${directory}/a/file`, "old")
        yield* simulator.run(addSubvolume("s", "parent=vols/a read-only=yes"))
        yield* fs.writeFileString(`${directory}/a/file`, "new")
        yield* mounter.unmount(`${directory}/a`)
      }).pipe(Effect.provide(node(socket, `${directory}/node-a`)))

      yield* simulator.run(addSubvolume("b", "parent=vols/s"))
      yield* simulator.run("/disk/add type=file slot=b file-path=/pool/vols/b/disk.img nvme-tcp-export=yes")
      yield* Effect.gen(function*() {
        const mounter = yield* Mounter
        for (const [name, text] of [["a", "new"], ["b", "old"]] as const) {
          const device = yield* connected(name)
          assert.strictEqual((yield* mounter.probe(device))._tag, "Formatted")
          yield* mounter.mount({ device, path: `${directory}/${name}`, fsType: "xfs", flags: ["nouuid"] })
          assert.strictEqual(yield* fs.readFileString(`${directory}/${name}/file`), text)
        }
      }).pipe(Effect.provide(node(socket, `${directory}/node-b`)))
    }))
})
