import { Effect } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"
import type { MountTableUnreadable } from "../Errors.ts"
import { unknownUsers } from "./HostFiles.ts"
import { limits } from "./Programs.ts"

/** What stat(2) says of a file; devices as `major:minor`. */
export type Stat =
  | {
    readonly _tag: "Found"
    /** The device that the file system of the file is on. */
    readonly on: string
    /** The device that a block special file is of; undefined for other files. */
    readonly block: string | undefined
  }
  | { readonly _tag: "Failed"; readonly reason: string }

/**
 * stat(2) of many files at once, links followed, in processes of their own: what others have open may wait for a file system.
 * Files that are not there are not in the answer.
 */
export type StatAll = (paths: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Stat>, MountTableUnreadable>

export const makeStatAll = Effect.gen(function*() {
  const command = yield* HostCommand

  const some = Effect.fnUntraced(function*(paths: ReadonlyArray<string>) {
    const { stderr, stdout } = yield* Effect.mapError(
      command.run("stat", ["--dereference", "--printf=%f %t %T %d %n\\0", "--", ...paths], { limit: limits.read }),
      ({ message }) => unknownUsers(message)
    )
    const found = new Map([...stdout.split("\0").flatMap(parseFound), ...stderr.split("\n").flatMap(parseFailed)])
    const left = paths.find((path) => !found.has(path))
    return left === undefined ? found : yield* unknownUsers(`stat does not tell of ${left}: ${stderr.trim()}`)
  })

  return (paths: ReadonlyArray<string>) =>
    Effect.map(Effect.forEach(portionsOf(paths), some), (maps) =>
      new Map(
        maps.flatMap((found) => [...found]).flatMap(([path, stat]) => stat === undefined ? [] : [[path, stat] as const])
      ))
})

/** So many at a time that neither the arguments nor the output of a process become too long. */
export const portionsOf = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / portion) }, (_, at) => all.slice(at * portion, (at + 1) * portion))

const portion = 400

const isBlock = (mode: string) => (Number.parseInt(mode, 16) & 0o170000) === 0o060000

/** Numbers are hexadecimal, but for that of the file system's device, which is of makedev(3) and decimal. */
const parseFound = (text: string): ReadonlyArray<readonly [string, Stat]> => {
  const [, mode, major, minor, device, path] = /^([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) (\d+) (.+)$/s.exec(text) ?? []
  if (mode === undefined || major === undefined || minor === undefined || path === undefined) return []
  const block = isBlock(mode) ? `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}` : undefined
  return [[path, { _tag: "Found", on: deviceOf(BigInt(device ?? 0)), block }]]
}

/** gnu_dev_major(3) and gnu_dev_minor(3). */
const deviceOf = (number: bigint) => {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn & 0xffffffffn)
  return `${major}:${minor}`
}

const parseFailed = (line: string): ReadonlyArray<readonly [string, Stat | undefined]> => {
  const [, , path, reason] = /^stat: cannot statx? (['"])(.+)\1: (.+)$/.exec(line) ?? []
  if (path === undefined || reason === undefined) return []
  return [[path, gone.includes(reason) ? undefined : { _tag: "Failed", reason }]]
}

const gone = ["No such file or directory", "No such process", "Not a directory"]
