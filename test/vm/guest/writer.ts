/**
 * Data that can be checked. Block n of a seed is always the same; each is on the disk before the next is written.
 *
 * - `write <path> <seed> <seconds> [<pause>]`: writes blocks 0, 1, … for that time, or until SIGTERM, with so many milliseconds
 *   between two. Answers how many, how long the slowest took, and when those that took long began and ended, in milliseconds
 *   of the machine's uptime. A line `writing` comes first, when block 0 is on the disk
 * - `verify <path> <seed> <blocks>`: compares what the disk has, past the cache, with what was written
 *
 * The answer is a last line of JSON; an I/O error ends it with exit code 1.
 */
import { createHash } from "node:crypto"
import { open, writeFile } from "node:fs/promises"
import { setTimeout } from "node:timers/promises"

const blockSize = 4096

const block = (seed: string, number: number): Buffer => {
  const digest = createHash("sha256").update(`${seed} ${number}`).digest()
  return Buffer.alloc(blockSize, digest)
}

/** A write that takes longer is told of. */
const longMillis = 300

const uptimeMillis = () => Number(process.hrtime.bigint() / 1_000_000n)

const write = async (path: string, seed: string, seconds: number, pauseMillis: number) => {
  const file = await open(path, "a").then((made) => made.close()).then(() => open(path, "r+"))
  let stopped = false
  process.on("SIGTERM", () => (stopped = true))
  const end = uptimeMillis() + seconds * 1000
  const stalls: Array<{ readonly from: number; readonly to: number }> = []
  let blocks = 0
  let slowestMillis = 0
  for (; uptimeMillis() < end && !stopped; blocks++) {
    const from = uptimeMillis()
    await file.write(block(seed, blocks), 0, blockSize, blocks * blockSize)
    await file.datasync()
    const to = uptimeMillis()
    if (blocks === 0) console.log("writing")
    slowestMillis = Math.max(slowestMillis, to - from)
    if (to - from > longMillis) stalls.push({ from, to })
    if (pauseMillis > 0) await setTimeout(pauseMillis)
  }
  await file.close()
  return { blocks, slowestMillis, stalls }
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

const [, , action, path = "", seed = "", amount = "", pause = "0"] = process.argv
const answer = action === "write"
  ? await write(path, seed, Number(amount), Number(pause))
  : await verify(path, seed, Number(amount))
console.log(JSON.stringify(answer))
