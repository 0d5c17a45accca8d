import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Schedule } from "effect"
import { canBuild } from "../../scripts/go.ts"
import { Controller, Node } from "../../src/csi/gen/csi_pb.ts"
import { argumentsFor, judge, provideProgram } from "../sanity/Suite.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { insist } from "../support/Insist.ts"
import { block, pvc } from "../support/Requests.ts"
import { Machines, prepared } from "./support/Machines.ts"
import { csiSocket, startWholeDriver } from "./support/WholeDriver.ts"

const canRun = prepared !== undefined && await canBuild("csi-sanity")
const program = "/var/lib/csi-sanity"

class WholeDriver
  extends Context.Service<WholeDriver, Effect.Success<typeof startWholeDriver>>()("test/vm/WholeDriver")
{
  static readonly layer = Layer.effect(WholeDriver, startWholeDriver).pipe(Layer.provideMerge(Machines.layer))
}

/** Runs csi-sanity in the machine; answers its exit code, what it wrote, and its report. */
const runSuite = Effect.fnUntraced(function*(accessType: "mount" | "block", more: ReadonlyArray<string> = []) {
  const { vm } = yield* WholeDriver
  const files = yield* FileSystem.FileSystem
  const directory = `/var/lib/sanity-${accessType}`
  yield* vm.writeFile(program, new Uint8Array(yield* files.readFile(yield* Effect.promise(provideProgram))))
  yield* vm.sh(`chmod 755 ${program}; mkdir -p ${directory}`)
  const { outcome, pid } = yield* vm.start([
    program,
    ...argumentsFor({ accessType, directory, socket: csiSocket }),
    ...more
  ])
  // One request that waits for minutes would be given up.
  yield* vm.sh(`test ! -e /proc/${pid}`).pipe(Effect.retry(Schedule.spaced("2 seconds")))
  const { code, stdout } = yield* outcome
  const report = new TextDecoder().decode(yield* vm.readFile(`${directory}/report.xml`))
  return { code, report, stdout }
})

/** The cases left nothing: no connection, no mount, no volume. */
const isClean = Effect.gen(function*() {
  const { appliance, vm } = yield* WholeDriver
  assert.strictEqual(yield* vm.sh("grep -l mikrotik /sys/class/nvme/*/subsysnqn 2>/dev/null || true"), "")
  assert.strictEqual(yield* vm.sh("grep /var/lib/sanity /proc/1/mountinfo || true"), "")
  assert.strictEqual(yield* appliance.console(":put [:len [/disk/find where type=file]]"), "0")
})

describe.skipIf(!canRun)("the whole driver on a real kernel", () => {
  layer(WholeDriver.layer, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      "csi-sanity with file systems: no case fails, and those that are skipped are those of skipped.txt",
      () =>
        Effect.gen(function*() {
          const { code, report, stdout } = yield* runSuite("mount")
          const { problems } = yield* Effect.promise(() => judge(report))
          assert.isEmpty(problems, stdout)
          assert.strictEqual(code, 0, stdout)
          yield* isClean
        }),
      1_200_000
    )

    it.effect(
      "csi-sanity with block volumes: no case of the node fails",
      () =>
        Effect.gen(function*() {
          const { code, stdout } = yield* runSuite("block", ["-ginkgo.focus=Node Service"])
          assert.strictEqual(code, 0, stdout)
          assert.match(stdout, /SUCCESS! -- [1-9]\d+ Passed/)
          yield* isClean
        }),
      1_200_000
    )

    it.effect("a block volume that is granted for reading only: the kernel refuses to write, from root as well", () =>
      Effect.gen(function*() {
        const { client, vm } = yield* WholeDriver
        const { create, remove, unpublish } = controllerCalls(client)
        const { volumeContext, volumeId } = yield* create(pvc(1), { volumeCapabilities: [block] })
        const paths = { stagingTargetPath: "/var/lib/read-only", targetPath: "/var/lib/read-only/pod" }
        yield* vm.sh(`mkdir -p ${paths.stagingTargetPath}`)
        const write = vm.sh(
          `dd if=/dev/urandom of=${paths.targetPath} bs=4k count=1 conv=notrunc,fsync 2>&1 || echo refused`
        )
        const unpublished = Effect.gen(function*() {
          yield* insist(client.call(Node.method.nodeUnpublishVolume, { volumeId, targetPath: paths.targetPath }))
          yield* insist(client.call(Node.method.nodeUnstageVolume, { ...paths, volumeId }))
          yield* unpublish(volumeId, vm.name)
        })
        for (const readonly of [true, false]) {
          const { publishContext } = yield* client.call(Controller.method.controllerPublishVolume, {
            volumeId,
            nodeId: vm.name,
            volumeCapability: block,
            volumeContext,
            readonly
          })
          const use = { ...paths, volumeId, volumeCapability: block, volumeContext, publishContext }
          yield* insist(client.call(Node.method.nodeStageVolume, use))
          yield* insist(client.call(Node.method.nodePublishVolume, use))
          assert.strictEqual((yield* write).endsWith("refused"), readonly)
          yield* unpublished
        }
        yield* remove(volumeId)
      }))
  })
})
