import { Effect, Option } from "effect"
// oxlint-disable-next-line no-restricted-imports -- see `hostFiles`
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { errnoOf } from "../../linux/Errno.ts"
import type { MountTableUnreadable } from "../Errors.ts"
import { unreadable } from "./Programs.ts"

/**
 * The host's proc and sysfs, read for the users of a device. None is what went away with a process or a device; whatever else
 * keeps a file from being read is an error, never "no user".
 */
export interface HostFiles {
  text(path: string): Effect.Effect<Option.Option<string>, MountTableUnreadable>
  entries(directory: string): Effect.Effect<Option.Option<ReadonlyArray<string>>, MountTableUnreadable>
  link(path: string): Effect.Effect<Option.Option<string>, MountTableUnreadable>
}

/**
 * Read on the spot, unlike all else: the kernel answers from memory within microseconds, going by way of the thread pool costs
 * ten times as much, and there are thousands of files. Nothing that may wait is touched, and other work gets its turn in
 * between.
 */
export const hostFiles: HostFiles = {
  text: (path) => ifThere(path, () => readFileSync(path, "utf8")),
  entries: (directory) => ifThere(directory, () => readdirSync(directory)),
  link: (path) => ifThere(path, () => readlinkSync(path))
}

const ifThere = <A>(path: string, read: () => A): Effect.Effect<Option.Option<A>, MountTableUnreadable> =>
  Effect.try({ try: read, catch: errnoOf }).pipe(
    Effect.asSome,
    Effect.catch((code) => gone.includes(code) ? Effect.succeedNone : unknownUsers(`${path}: ${code}`))
  )

/** EINVAL is mountinfo's word for a process that has ended and was not waited for yet. */
const gone = ["ENOENT", "ESRCH", "ENOTDIR", "EINVAL"]

/** The entries of a directory that need not be there. */
export const entriesIfAny = (files: HostFiles, directory: string) =>
  Effect.map(files.entries(directory), Option.getOrElse((): ReadonlyArray<string> => []))

export const unknownUsers = (problem: string) => unreadable(`the users of a device cannot be found out: ${problem}`)
