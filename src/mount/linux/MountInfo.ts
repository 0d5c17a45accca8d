import { Option } from "effect"
import type { DeviceNumber, MountEntry } from "../Mounter.ts"

/** A line of `/proc/pid/mountinfo` (proc_pid_mountinfo(5)) in full. */
export interface MountInfo extends MountEntry {
  readonly id: number
  readonly parentId: number
  /** The directory of the file system that is mounted; `/` unless it is a bind mount of one below. */
  readonly root: string
  /** Options of this mount, without those of the file system. */
  readonly options: ReadonlyArray<string>
  /** The peer groups from which mounts and unmounts below this one arrive: its own (`shared`) and its masters. */
  readonly hears: ReadonlyArray<number>
  /** The peer group to which it passes them on. */
  readonly peerGroup: Option.Option<number>
}

/** Reads a whole mountinfo file; None when a line is not understood, since a mount that is missed counts as unmounted. */
export const parseMountInfo = (text: string): Option.Option<ReadonlyArray<MountInfo>> =>
  Option.all(text.split("\n").filter((line) => line !== "").map(parseLine))

/** Since Linux 6.15 ext4 shows what errors have done to it without calling itself read-only (fs/ext4/super.c, show_options). */
const takesNoWrites = ["ro", "emergency_ro", "shutdown"]

const parseLine = (line: string): Option.Option<MountInfo> => {
  const [head, tail] = split(line, " - ")
  const [id = "", parentId = "", number = "", root, path, options, ...tags] = head.split(" ")
  const [fsType, , superOptions] = tail?.split(" ") ?? []
  const device = parseDeviceNumber(number)
  if (
    !digits.test(id) || !digits.test(parentId) || Option.isNone(device) || root === undefined || path === undefined ||
    options === undefined || fsType === undefined || superOptions === undefined
  ) return Option.none()
  const flags = options.split(",")
  return Option.some({
    id: Number(id),
    parentId: Number(parentId),
    device: device.value,
    root: unescape(root),
    path: unescape(path),
    fsType: unescape(fsType),
    options: flags,
    readOnly: flags.includes("ro"),
    filesystemReadOnly: superOptions.split(",").some((option) => takesNoWrites.includes(option)),
    peerGroup: Option.fromUndefinedOr(groups(tags, ["shared"])[0]),
    hears: groups(tags, ["shared", "master", "propagate_from"])
  })
}

/** At the first occurrence: spaces in names are escaped, and an optional field is never a lone dash. */
const split = (line: string, separator: string): [string, string?] => {
  const at = line.indexOf(separator)
  return at < 0 ? [line] : [line.slice(0, at), line.slice(at + separator.length)]
}

const digits = /^\d+$/

const parseDeviceNumber = (text: string): Option.Option<DeviceNumber> => {
  const [, major, minor] = /^(\d+):(\d+)$/.exec(text.trim()) ?? []
  return major === undefined ? Option.none() : Option.some({ major: Number(major), minor: Number(minor) })
}

/** Spaces, tabs, newlines, backslashes and some others are written as three octal digits. */
const unescape = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Unknown tags are to be ignored, says the manual. */
const groups = (tags: ReadonlyArray<string>, names: ReadonlyArray<string>) =>
  tags.flatMap((tag) => {
    const [name = "", group] = tag.split(":")
    return group !== undefined && names.includes(name) ? [Number(group)] : []
  })
