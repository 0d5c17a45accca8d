import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { makeAppliance } from "./support/Appliance.ts"
import { initiator, startWriter, wrongBlocks } from "./support/Initiator.ts"
import { Machines, prepared } from "./support/Machines.ts"
import type { Vm } from "./support/Vm.ts"
import { eventually } from "./support/Volumes.ts"

const MiB = 1024 * 1024
const nqnOf = (name: string) => `nqn.2000-02.com.mikrotik:${name}`
const add = (name: string, more = "") =>
  `/disk/add type=file slot=${name} file-path=/storage-pool/metal-csi/${name}.img file-size=${256 * MiB} ` +
  `mount-filesystem=no nvme-tcp-export=yes nvme-tcp-server-nqn=${nqnOf(name)} ${more}`
const remove = (name: string) => `/disk/remove [find slot=${name}]`

/** Connected by nvme-cli, with ext4, mounted; without the driver. */
const mounted = Effect.fnUntraced(function*(vm: Vm, name: string) {
  const remote = initiator(vm, nqnOf(name))
  yield* remote.connect()
  const device = yield* remote.device
  const directory = `/run/${name}`
  yield* vm.sh(`mkfs.ext4 -q ${device}; mkdir -p ${directory}; mount ${device} ${directory}`)
  return { ...remote, directory, release: Effect.andThen(vm.sh(`umount ${directory}`), remote.disconnect) }
})

describe.skipIf(prepared === undefined)("the appliance's exports, in the kernel", () => {
  layer(Machines.layer, { excludeTestServices: true, timeout: "10 minutes" })((it) => {
    it.effect(
      "serve a volume, keep its data over a restart of the appliance, grow and go with it",
      Effect.fnUntraced(
        function*() {
          const { nodeA, rds } = yield* Machines
          yield* Effect.forEach([rds, nodeA], (vm) => vm.powerOn, { concurrency: 2, discard: true })
          const appliance = yield* makeAppliance(rds)
          yield* appliance.start
          assert.strictEqual(yield* appliance.console(add("first")), "")
          const volume = yield* mounted(nodeA, "first")

          const writer = yield* startWriter(nodeA, `${volume.directory}/data`, "first", 10)
          yield* appliance.reboot(5)
          yield* eventually(nodeA, `test "$(cat /sys/class/nvme/nvme*/state)" = connecting`)
          const { blocks, slowestMillis } = yield* writer.written
          assert.isAbove(slowestMillis, 4000)
          assert.strictEqual(yield* wrongBlocks(nodeA, `${volume.directory}/data`, "first", blocks), 0)

          yield* appliance.console(`/disk/set [find slot=first] file-size=${512 * MiB}`)
          yield* eventually(nodeA, `test "$(blockdev --getsize64 ${yield* volume.device})" = ${512 * MiB}`)

          yield* volume.release
          yield* appliance.console(remove("first"))
          assert.strictEqual(
            yield* rds.sh("ls /sys/kernel/config/nvmet/subsystems /sys/kernel/config/nvmet/ports | wc -w"),
            "2"
          )

          yield* appliance.console(add("last"))
          yield* appliance.stop
          assert.strictEqual(yield* rds.sh("ls /sys/kernel/config/nvmet/subsystems"), "")
        }
      )
    )
  })
})
