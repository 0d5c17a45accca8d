import * as Content from "../volume/Content.ts"
import type { ImageRecord } from "../volume/ImageRecord.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { DiskRow } from "./Appliance.ts"
import { ApplianceConflict, CopyRunning, MadeOfOther } from "./Errors.ts"
import { nameOf } from "./Volumes.ts"

/** The volume that is to be made, and of what. */
interface Wanted {
  readonly id: VolumeId
  readonly slot: string
  readonly content: Content.Content
}

/** The name stands for a volume that is made of something else. */
export const madeOfOther = ({ source, target }: ImageRecord) =>
  new MadeOfOther({
    message: `${Content.describe(target)} is being made of ${Content.describe(source)}; delete it, or take another name`
  })

/** It is not there yet. */
export const copying = ({ content, id }: Wanted, percent: number) =>
  new CopyRunning({
    message: `volume ${id} is being made of ${
      Content.describe(content)
    }, of which ${percent} % are copied; try again later`
  })

/** A file that nothing is on record of lies where the volume's would. */
export const leftover = ({ id }: Wanted, path: string) =>
  new ApplianceConflict({
    message:
      `volume ${id} cannot be made: ${path} exists on the appliance and may hold data, so it is left alone; remove ` +
      "or rename it"
  })

/** Another disk has the volume's slot. */
export const inTheWay = (row: DiskRow, { id, slot }: Wanted) =>
  new ApplianceConflict({
    message:
      `volume ${id} cannot be made: ${nameOf(row)} on the appliance already uses the slot ${slot} and is not this ` +
      "volume; remove or rename it"
  })
