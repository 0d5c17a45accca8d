import { Effect } from "effect"
import { constants } from "node:fs"
import { copyFile, type FileHandle, open } from "node:fs/promises"

const blockBytes = 4096
const pieceBytes = 1 << 20
const zeros = Buffer.alloc(blockBytes)

/** A whole file at a path where none or an empty one is: by sharing its blocks where this machine's file system can, else as {@link copyRange}. */
export const copyWhole = Effect.fnUntraced(function*(from: string, to: string, sizeBytes: bigint) {
  yield* call(() => copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)).pipe(
    Effect.catch(() => copyRange(from, to, 0n, sizeBytes))
  )
})

/**
 * The bytes from `offset` up to `end` of a file, at the same place of another, which is made if it is not there. Blocks of
 * zeros are left out, so that a sparse image stays sparse; the target's size is the caller's.
 */
export const copyRange = (from: string, to: string, offset: bigint, end: bigint) =>
  withFile(
    from,
    "r",
    (source) =>
      withFile(to, "a", () =>
        withFile(to, "r+", (target) =>
          call(() => copyData(source, target, Number(offset), Number(end)))))
  )

const withFile = <A, E>(path: string, flag: string, use: (file: FileHandle) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(call(() => open(path, flag)), use, (file) => Effect.orDie(call(() => file.close())))

const call = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({ try: run, catch: (cause) => ({ message: String(cause) }) })

const copyData = async (source: FileHandle, target: FileHandle, offset: number, end: number) => {
  // The rest is holes once as much has been found as the file has blocks; nobody reads a terabyte of them.
  let left = (await source.stat()).blocks * 512
  const buffer = Buffer.alloc(pieceBytes)
  for (let at = offset; at < end && left > 0; at += pieceBytes) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(pieceBytes, end - at), at)
    for (const [begin, length] of dataIn(buffer.subarray(0, bytesRead))) {
      await target.write(buffer, begin, length, at + begin)
      left -= length
    }
  }
}

/** Begin and length of each run of blocks that are not all zeros. */
const dataIn = (bytes: Buffer): ReadonlyArray<readonly [begin: number, length: number]> => {
  const runs: Array<readonly [number, number]> = []
  let begin = 0
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    if (!block.equals(zeros.subarray(0, block.length))) continue
    if (at > begin) runs.push([begin, at - begin])
    begin = at + blockBytes
  }
  return bytes.length > begin ? [...runs, [begin, bytes.length - begin]] : runs
}
