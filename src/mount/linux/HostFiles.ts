import { Effect, Option } from "effect"
import { kernelFiles, type KernelFileUnreadable } from "../../linux/KernelFiles.ts"
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

const orUnknown = Effect.mapError(({ code, path }: KernelFileUnreadable) => unknownUsers(`${path}: ${code}`))

export const hostFiles: HostFiles = {
  text: (path) => orUnknown(kernelFiles.text(path)),
  entries: (directory) => orUnknown(kernelFiles.entries(directory)),
  link: (path) => orUnknown(kernelFiles.link(path))
}

/** The entries of a directory that need not be there. */
export const entriesIfAny = (files: HostFiles, directory: string) =>
  Effect.map(files.entries(directory), Option.getOrElse((): ReadonlyArray<string> => []))

export const unknownUsers = (problem: string) => unreadable(`the users of a device cannot be found out: ${problem}`)
