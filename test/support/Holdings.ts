import { Effect } from "effect"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

/** What the appliance holds, for comparison: everything but times. */
export const holdings = Effect.fnUntraced(function*({ device }: Simulator) {
  const files = yield* device.files
  return { disks: yield* device.disks, files: files.map(({ lastModified: _, ...file }) => file) }
})

/**
 * What of it belongs to one volume, which its directory does not, without what differs between two volumes that were made in
 * the same way.
 */
export const holdingsOf = Effect.fnUntraced(function*(simulator: Simulator, id: string) {
  const slot = VolumeId.slot(VolumeId.fromName(id))
  const anonymous = (text: string) => text.replaceAll(id, "ID").replaceAll(slot, "SLOT")
  const { disks, files } = yield* holdings(simulator)
  return {
    disks: disks.filter((disk) => disk.nqn.includes(id) || disk.filePath.includes(id) || disk.slot === slot)
      .map(({ id: _, ...disk }) => ({
        ...disk,
        slot: anonymous(disk.slot),
        comment: anonymous(disk.comment),
        filePath: anonymous(disk.filePath),
        nqn: anonymous(disk.nqn)
      })),
    files: files.filter((file) => file.path.includes(id) && !file.directory).map(({ id: _, ...file }) => ({
      ...file,
      path: anonymous(file.path)
    }))
  }
})
