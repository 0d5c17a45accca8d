import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { canMakeRootfsDisk, makeRootfsDisk } from "../../scripts/image/disk.ts"
import { root } from "../../scripts/run.ts"
import { VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { pvc } from "../support/Requests.ts"
import { Cluster } from "./support/Cluster.ts"
import { startedIn } from "./support/Container.ts"
import { wrongBlocks } from "./support/Initiator.ts"
import { blockLife, fileSystemLife, readerBesideWriter, writeSome } from "./support/Lives.ts"
import { prepared } from "./support/Machines.ts"
import type { Vm } from "./support/Vm.ts"
import { attach, formatted, isClean, mountsAt, raw } from "./support/Volumes.ts"

const canRun = prepared !== undefined && await canMakeRootfsDisk()

/** The second word of each line. */
const programs = (await readFile(join(root, "image/programs.txt"), "utf8")).split("\n")
  .filter((line) => !line.startsWith("#"))
  .flatMap((line) => line.split(/ +/).slice(1, 2))

/** Those of the image's own making, and the shell that starts two of the others: it has no version to tell. */
const unlisted = ["node", "rds-csi", "sh"]

/** Run only when a lost device cannot be unmounted, to find who works on it. */
const rare = new Set(["grep"])

const imageCluster = Layer.unwrap(
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-image-" })
    return Cluster.oneNodeInImage(yield* Effect.promise(() => makeRootfsDisk(directory)))
  })
).pipe(Layer.provide(NodeServices.layer))

/** What is mounted where for a process: device, mount point, options, kind. */
const mountTable = (vm: Vm, pid: number) =>
  Effect.map(
    vm.readFile(`/proc/${pid}/mountinfo`),
    (bytes) =>
      new TextDecoder().decode(bytes).trim().split("\n").map((line) => {
        const [own = "", filesystem = ""] = line.split(" - ")
        const [, , device, , path, options] = own.split(" ")
        return { device, path, options, kind: filesystem.split(" ")[0] }
      })
  )

describe.skipIf(!canRun)("the image's files on a real kernel, in a container as the DaemonSet has it", () => {
  layer(imageCluster, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect("the root is the image's, and cannot be written; no program of the machine is within reach", () =>
      Effect.gen(function*() {
        const { nodeA } = yield* Cluster
        const own = yield* mountTable(nodeA.vm, yield* nodeA.pid)
        const host = yield* mountTable(nodeA.vm, 1)
        const rootMount = own.find(({ path }) => path === "/")
        assert.strictEqual(rootMount?.kind, "overlay")
        assert.match(rootMount?.options ?? "", /^ro,/)
        const withPrograms = host.filter(({ path = "" }) => ["/", "/programs"].includes(path)).map(({ device }) =>
          device
        )
        assert.lengthOf(withPrograms, 2)
        assert.isEmpty(own.filter(({ device }) => withPrograms.includes(device)))
      }))

    it.effect("it is ready, as the DaemonSet's probe asks", () =>
      Effect.gen(function*() {
        const { nodeA: { vm } } = yield* Cluster
        yield* vm.sh("/bin/busybox wget -q -O - http://127.0.0.1:9809/readyz")
      }))

    for (const [number, fsType] of (["ext4", "xfs"] as const).entries()) {
      it.effect(`the whole life of an ${fsType} volume`, () => fileSystemLife(fsType, pvc(number)))
    }

    it.effect("the whole life of a block volume", () => blockLife(pvc(10)))

    it.effect("a block volume that may only be read", () =>
      Effect.gen(function*() {
        const { claim, nodeA } = yield* Cluster
        const volume = yield* claim(pvc(11), { ...raw, accessMode: { mode: Mode.SINGLE_NODE_READER_ONLY } }, [nodeA])
        const { path, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
        const write = `head -c 4096 /dev/urandom | dd of=${path} conv=notrunc,fsync 2>/dev/null || echo refused`
        assert.strictEqual(yield* nodeA.vm.sh(write), "refused")
        yield* unpublish("pod")
        yield* unstage
        yield* isClean(nodeA, volume)
      }))

    it.effect("a pod that may only read, beside one that writes", () => readerBesideWriter(pvc(12)))

    it.effect("SIGTERM ends it, and the next container goes on with an ext3 volume that is in use", () =>
      Effect.gen(function*() {
        const { claim, nodeA } = yield* Cluster
        const { vm } = nodeA
        const volume = yield* claim(pvc(20), formatted("ext3"), [nodeA])
        const { path, stats, unpublish, unstage } = yield* attach(nodeA, volume, "pod")
        const { blocks } = yield* writeSome(nodeA, `${path}/data`, "restart")
        const pid = yield* nodeA.pid
        yield* vm.sh(`kill -TERM ${pid}; while [ -e /proc/${pid} ]; do sleep 0.1; done`)
        assert.strictEqual(yield* mountsAt(vm, path), 1)
        yield* nodeA.restart
        yield* stats("pod")
        assert.strictEqual(yield* wrongBlocks(vm, `${path}/data`, "restart", blocks), 0)
        yield* unpublish("pod")
        yield* unstage
        yield* isClean(nodeA, volume)
      }))

    it.effect("the programs of programs.txt were run, and no others", () =>
      Effect.gen(function*() {
        const { nodeA } = yield* Cluster
        const expected = [...programs.filter((name) => !rare.has(name)), ...unlisted]
        assert.deepStrictEqual(yield* startedIn(nodeA.vm), expected.sort())
      }))
  })
})
