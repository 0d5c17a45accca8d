import { Data, Effect, type Option } from "effect"
// oxlint-disable-next-line no-restricted-imports -- see `kernelFiles`
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs"
import { errnoOf } from "./Errno.ts"

/** Something is there and cannot be read. */
export class KernelFileUnreadable extends Data.TaggedError("KernelFileUnreadable")<{
  readonly path: string
  /** The system's error code, such as `EACCES`. */
  readonly code: string
}> {}

/**
 * Files of proc and sysfs, read on the spot, unlike all else: the kernel answers from memory within microseconds, and going by
 * way of the thread pool costs ten times as much, which matters where there are hundreds. Only for what never waits for a
 * device. None is what went away with a process or a device.
 */
export const kernelFiles = {
  text: (path: string) => ifThere(path, () => readFileSync(path, "utf8")),
  entries: (directory: string) => ifThere(directory, (): ReadonlyArray<string> => readdirSync(directory)),
  link: (path: string) => ifThere(path, () => readlinkSync(path)),
  /** A text that tells apart what had the same name one after the other. */
  identity: (path: string) =>
    ifThere(path, () => {
      const { ctimeMs, ino } = statSync(path)
      return `${ino} since ${ctimeMs}`
    })
}

const ifThere = <A>(path: string, read: () => A): Effect.Effect<Option.Option<A>, KernelFileUnreadable> =>
  Effect.try({ try: read, catch: errnoOf }).pipe(
    Effect.asSome,
    Effect.catch((code) => isGone(code) ? Effect.succeedNone : Effect.fail(new KernelFileUnreadable({ path, code })))
  )

/** EINVAL is mountinfo's word for a process that has ended and was not waited for yet, ENODEV sysfs' for a device that goes. */
const isGone = (code: string) => ["ENOENT", "ENOTDIR", "ESRCH", "EINVAL", "ENODEV"].includes(code)
