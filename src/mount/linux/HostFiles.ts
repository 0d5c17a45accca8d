import { Effect, FileSystem, Option, type PlatformError } from "effect"
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

export const makeHostFiles: Effect.Effect<HostFiles, never, FileSystem.FileSystem> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const ifThere = <A>(path: string, access: Effect.Effect<A, PlatformError.PlatformError>) =>
    access.pipe(
      Effect.asSome,
      Effect.catch((error) => {
        const code = errnoOf(error)
        return gone.includes(code) ? Effect.succeed(Option.none<A>()) : unknownUsers(`${path}: ${code}`)
      })
    )
  return {
    text: (path) => ifThere(path, fs.readFileString(path)),
    entries: (directory) => ifThere(directory, fs.readDirectory(directory)),
    link: (path) => ifThere(path, fs.readLink(path))
  }
})

/** EINVAL is mountinfo's word for a process that has ended and was not waited for yet. */
const gone = ["ENOENT", "ESRCH", "ENOTDIR", "EINVAL"]

/** The entries of a directory that need not be there. */
export const entriesIfAny = (files: HostFiles, directory: string) =>
  Effect.map(files.entries(directory), Option.getOrElse((): ReadonlyArray<string> => []))

export const unknownUsers = (problem: string) => unreadable(`the users of a device cannot be found out: ${problem}`)
