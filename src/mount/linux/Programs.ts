import { Effect } from "effect"
import type { CommandFailed, CommandResult } from "../../linux/HostCommand.ts"
import { DeviceUnreadable, MountFailed, MountTableUnreadable, StorageExhausted } from "../Errors.ts"
import type { BlockDevice } from "../Mounter.ts"

/**
 * How long programs may take. None is meant to be reached: a program that waits for a connection that is down waits until it
 * is back, and a call to the driver must not.
 */
export const limits = {
  /** Those that ask the kernel what it knows, or change one name in a directory. */
  quick: "10 seconds",
  /** Reads of a few blocks of a device. */
  read: "30 seconds",
  /** Mounting replays the journal, unmounting writes what is dirty. */
  mount: "2 minutes",
  /** mkfs.ext3 writes every inode table: minutes for terabytes. A check reads the whole of a file system with errors. */
  whole: "15 minutes"
} as const

/** What a program said about its failure: its last line, on whichever output. */
export const complaint = ({ code, stdout, stderr }: CommandResult): string =>
  [stderr, stdout].map((text) => text.trim().split("\n").at(-1)?.trim()).find((line) => line) ?? `exit code ${code}`

export const failed = (operation: string, problem: string): MountFailed =>
  new MountFailed({ operation, message: `${operation} failed: ${problem}` })

export const deviceUnreadable = ({ path }: BlockDevice, problem: string): DeviceUnreadable =>
  new DeviceUnreadable({ device: path, message: `${path} cannot be read: ${problem}` })

export const unreadable = (message: string): MountTableUnreadable => new MountTableUnreadable({ message })

/** Fails unless the program's exit code is 0. */
export const succeeds = (operation: string) => <R>(self: Effect.Effect<CommandResult, CommandFailed, R>) =>
  self.pipe(
    Effect.mapError(({ message }) => failed(operation, message)),
    Effect.filterOrFail(({ code }) => code === 0, (result) => failed(operation, complaint(result)))
  )

/** The same for a program that makes something on the node's own disk. */
export const placing = (operation: string) => <R>(self: Effect.Effect<CommandResult, CommandFailed, R>) =>
  Effect.mapError(
    succeeds(operation)(self),
    (error) =>
      error.message.endsWith("No space left on device") ? new StorageExhausted({ message: error.message }) : error
  )
