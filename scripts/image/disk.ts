/** The image's root file system as a disk of a test machine. */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { makeDisk } from "../vm/image.ts"
import { buildRootfs, missingForRootfs } from "./rootfs.ts"

/** Whether it can be made here; a machine of CI has to be able to. */
export const canMakeRootfsDisk = async (): Promise<boolean> => {
  const missing = (await missingForRootfs()).join(", ")
  if (missing === "") return true
  if (process.env["CI"] === "true") throw new Error(`the image's files cannot be made without: ${missing}`)
  console.log(`missing: ${missing}; the test of the image's files is skipped`)
  return false
}

/** The disk's file, in that directory. */
export const makeRootfsDisk = async (directory: string): Promise<string> => {
  const [tree, disk] = [join(directory, "root"), join(directory, "image.img")]
  await buildRootfs(tree)
  await makeDisk(tree, disk, 8)
  await rm(tree, { recursive: true })
  return disk
}
