/** What takes long to make, and is kept outside of the checkout under a name for what it is made of. */
import { createHash } from "node:crypto"
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

const exists = (path: string) => access(path).then(() => true, () => false)

/** The name for what is made of these. */
export const contentName = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex").slice(0, 16)
}

/**
 * The directory of that kind and name. If there is none, `make` fills an empty one, which takes its place when it is complete.
 * Whoever is first wins: two of one name are the same.
 */
export const kept = async (
  kind: string,
  name: string,
  make: (directory: string) => Promise<unknown>
): Promise<string> => {
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "rds-csi", kind)
  const place = join(folder, name)
  if (await exists(place)) return place
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(folder, "making-"))
  try {
    await make(work)
    await rename(work, place).catch(async (error: unknown) => {
      if (!await exists(place)) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return place
}
