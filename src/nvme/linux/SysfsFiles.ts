import { Data, Effect, FileSystem, Option, type PlatformError, Schedule } from "effect"
import { errnoOf } from "../../linux/Errno.ts"
import { FabricUnreadable } from "../Errors.ts"

/** An entry is there and an attribute of it is not: the kernel is just making or removing it. */
class Torn extends Data.TaggedError("Torn")<{ readonly directory: string; readonly attribute: string }> {}

/** An entry that was listed is not there any more. */
class Vanished extends Data.TaggedError("Vanished") {}

/** How long an entry may stay half made. The kernel adds and removes a device's attributes within milliseconds. */
const tornPoll = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 25 }))

/**
 * Reads and writes of sysfs. What is not there is None; whatever else keeps a file from being read is FabricUnreadable. None
 * has a limit: with one each, a look at all controllers takes twice the processor time, so whoever looks sets one for all.
 */
export const makeSysfsFiles = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem

  const ifThere = <A>(path: string, access: Effect.Effect<A, PlatformError.PlatformError>) =>
    access.pipe(
      Effect.asSome,
      Effect.catch((error) => isGone(error) ? Effect.succeed(Option.none<A>()) : unreadable(path, codeOf(error)))
    )

  const attribute = (directory: string, name: string) =>
    Effect.map(
      ifThere(`${directory}/${name}`, fs.readFileString(`${directory}/${name}`)),
      Option.map((text) => text.trim())
    )

  const exists = (path: string) => Effect.map(ifThere(path, fs.stat(path)), Option.isSome)

  /** The attribute of an entry that was listed a moment ago. None of the attributes that are asked for is ever empty. */
  const required = Effect.fnUntraced(function*(directory: string, name: string) {
    const text = Option.filter(yield* attribute(directory, name), (value) => value !== "")
    if (Option.isSome(text)) return text.value
    return (yield* exists(directory)) ? yield* new Torn({ directory, attribute: name }) : yield* new Vanished()
  }, (self, directory) =>
    self.pipe(
      Effect.retry({ while: (error) => error._tag === "Torn", schedule: tornPoll }),
      Effect.catchTag("Torn", ({ attribute }) => Effect.fail(unreadable(`${directory}/${attribute}`, "missing")))
    ))

  return {
    attribute,
    required,
    entries: (directory: string) => ifThere(directory, fs.readDirectory(directory)),
    /**
     * Writes an attribute. It has to be opened for writing alone: those that trigger something cannot be read, not even by root.
     * sysfs answers the attempt to create a file with EACCES, so that of one that is gone means no more than that.
     */
    write: (directory: string, name: string, text: string) => {
      const path = `${directory}/${name}`
      return Effect.catchTag(
        ifThere(path, fs.writeFileString(path, text)),
        "FabricUnreadable",
        (error) => Effect.flatMap(exists(path), (there) => there ? Effect.fail(error) : Effect.succeedNone)
      )
    }
  }
})

/** What `makeSysfsFiles` makes. */
export type SysfsFiles = Effect.Success<typeof makeSysfsFiles>

const codeOf = ({ cause, reason }: PlatformError.PlatformError): string =>
  cause === undefined ? reason._tag : errnoOf(cause)

/** ENODEV: the attribute was removed between open and read (Linux, `kernfs_get_active`). */
const isGone = (error: PlatformError.PlatformError) => error.reason._tag === "NotFound" || codeOf(error) === "ENODEV"

/** The kernel's answer at `path` is none, or none that can be relied on. */
export const unreadable = (path: string, problem: string) =>
  new FabricUnreadable({ message: `the node's NVMe connections are not known: ${path} cannot be used (${problem})` })
