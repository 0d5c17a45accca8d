import { Effect } from "effect"
import type { Appliance } from "./Appliance.ts"
import { nqnOf } from "./Outages.ts"

/** What of a volume gives an I/O error instead of data: all of it, or its first MiB, where a file system has its superblock. */
export type Damage = "whole" | "superblock"

/** Sectors that a damaged device keeps readable, for device-mapper. */
const tables: Record<Damage, string> = {
  whole: `echo "0 $sectors error"`,
  superblock: `echo "0 2048 error"; echo "2048 $((sectors - 2048)) linear $loop 2048"`
}

/**
 * Exports the volume with an image that cannot be read, for as long as `use` runs. No node may be connected. The kernel's target
 * looks at a device before it exports it, so the device is damaged after that. Nobody makes /dev/mapper/damaged where udev does
 * not run.
 */
export const unreadable = <A, E, R>(
  { imageOf, vm }: Appliance,
  volumeId: string,
  damage: Damage,
  use: Effect.Effect<A, E, R>
) => {
  const namespace = `/sys/kernel/config/nvmet/subsystems/${nqnOf(volumeId)}/namespaces/1`
  const serve = (device: string) =>
    `echo 0 > ${namespace}/enable; echo -n ${device} > ${namespace}/device_path; echo 1 > ${namespace}/enable`
  return Effect.acquireUseRelease(
    vm.sh(`
      modprobe -a loop dm-mod
      loop=$(losetup --find --show ${imageOf(volumeId)})
      sectors=$(blockdev --getsz $loop)
      echo "0 $sectors linear $loop 0" | dmsetup create --noudevsync damaged
      device=/dev/$(dmsetup info --columns --noheadings -o blkdevname damaged)
      ${serve("$device")}
      { ${tables[damage]}; } | dmsetup reload damaged
      dmsetup suspend --noudevsync damaged
      dmsetup resume --noudevsync damaged
    `),
    () => use,
    () =>
      Effect.orDie(vm.sh(`
      ${serve(imageOf(volumeId))}
      dmsetup remove --noudevsync damaged
      losetup --detach-all
    `))
  )
}
