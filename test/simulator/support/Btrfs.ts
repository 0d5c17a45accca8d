import { Simulator } from "../../../src/simulator/Simulator.ts"
import { defaultPool, type SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"

/** A pool with Btrfs: its slot, its mount point and its label are three names. */
export const btrfsPool = { ...defaultPool, slot: "raid1", mountPoint: "pool", fs: "btrfs", label: "Data" } as const

/** A device with that pool, on which `pool/vols` exists. */
export const btrfsDevice = (options: SimulatorOptions = {}) =>
  Simulator.start(Simulator.config({ pools: [btrfsPool], directories: ["pool/vols"], ...options }))

/** A subvolume of that name in `pool/vols`, and what the command says. */
export const addSubvolume = (name: string, more = "") => `/disk/btrfs/subvolume/add fs=Data name="vols/${name}" ${more}`

/** An attached image of 1 GiB inside of that subvolume. */
export const addImage = (name: string) =>
  `/disk/add type=file slot=${name} file-path=/pool/vols/${name}/disk.img file-size=1G nvme-tcp-export=yes`
