import { Effect } from "effect"
import type { RpcFailure } from "../test/support/GrpcClient.ts"
import type { Cluster } from "./Cluster.ts"
import { expect, Unexpected } from "./Steps.ts"

/** The call must be refused with this code, and its message must say this; answers what a user reads. */
export const refusal = <A>(call: Effect.Effect<A, RpcFailure>, code: string, says: string) =>
  Effect.gen(function*() {
    const failure = yield* Effect.mapError(Effect.flip(call), () => new Unexpected({ message: "it was not refused" }))
    yield* expect(failure.code === code, `expected ${code}, got ${failure.code}: ${failure.details}`)
    yield* expect(failure.details.includes(says), `the message does not say "${says}": ${failure.details}`)
    return `refused, ${code}`
  })

/** The appliance must hold nothing of ours: no disk, no file and no subvolume. */
export const emptyAppliance = (cluster: Cluster) => holds(cluster, 0)

/** The appliance must hold this many volumes: each one exported disk and one file in a subvolume, and nothing besides. */
export const holds = Effect.fnUntraced(function*(cluster: Cluster, volumes: number) {
  const { disks, files, subvolumes } = yield* cluster.state
  const images = files.filter((file) => !file.directory)
  yield* expect(disks.length === volumes, `${disks.length} disks on the appliance, not ${volumes}`)
  yield* expect(disks.every((disk) => disk.exported), "a disk is not exported")
  yield* expect(images.length === volumes, `${images.length} files on the appliance, not ${volumes}`)
  yield* expect(subvolumes.length === volumes, `${subvolumes.length} subvolumes on the appliance, not ${volumes}`)
})
