/**
 * Data that can be checked. Block n of a seed is always the same; each is on the disk before the next is written.
 *
 * - `write <path> <seed> <seconds>`: writes blocks 0, 1, … for that time, and answers how many, and how long the slowest took.
 *   A line `writing` comes first, when block 0 is on the disk
 * - `verify <path> <seed> <blocks>`: compares what the disk has, past the cache, with what was written
 *
 * The answer is a last line of JSON; an I/O error ends it with exit code 1.
 */
import { createHash } from "node:crypto"
import { open, writeFile } from "node:fs/promises"

const blockSize = 4096

const block = (seed: string, number: number): Buffer => {
  const digest = createHash("sha256").update(`${seed} ${number}`).digest()
  return Buffer.alloc(blockSize, digest)
}

const write = async (path: string, seed: string, seconds: number) => {
  const file = await open(path, "a").then((made) => made.close()).then(() => open(path, "r+"))
  const end = performance.now() + seconds * 1000
  let blocks = 0
  let slowestMillis = 0
  for (let now = performance.now(); now < end; blocks++) {
    await file.write(block(seed, blocks), 0, blockSize, blocks * blockSize)
    await file.datasync()
    if (blocks === 0) console.log("writing")
    const done = performance.now()
    slowestMillis = Math.max(slowestMillis, Math.round(done - now))
    now = done
  }
  await file.close()
  return { blocks, slowestMillis }
}

const verify = async (path: string, seed: string, blocks: number) => {
  await writeFile("/proc/sys/vm/drop_caches", "3")
  const file = await open(path, "r")
  const found = Buffer.alloc(blockSize)
  let wrong = 0
  for (let number = 0; number < blocks; number++) {
    await file.read(found, 0, blockSize, number * blockSize)
    if (!found.equals(block(seed, number))) wrong++
  }
  await file.close()
  return { wrong }
}

const [, , action, path = "", seed = "", amount = ""] = process.argv
const answer = action === "write" ? await write(path, seed, Number(amount)) : await verify(path, seed, Number(amount))
console.log(JSON.stringify(answer))
