import { Result } from "effect"
import type { FsType } from "../volume/AccessMode.ts"
import { InvalidArgument } from "../volume/Errors.ts"

/** Options of any file system (mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"). */
const common = [
  "defaults",
  "ro",
  "rw",
  "noexec",
  "exec",
  "nosuid",
  "nodev",
  "atime",
  "noatime",
  "diratime",
  "nodiratime",
  "relatime",
  "norelatime",
  "strictatime",
  "nostrictatime",
  "lazytime",
  "nolazytime",
  "sync",
  "async",
  "dirsync",
  "discard",
  "nodiscard"
]

/** Read by fstab tools only and without effect on a mount by the driver; classes may carry them. */
const ignored = ["auto", "noauto", "nofail", "user", "nouser", "_netdev"]

/** Options of ext4(5). ext3 is mounted by the same kernel code. None that trades data for speed (nobarrier) or panics. */
const ext = [
  "acl",
  "noacl",
  "user_xattr",
  "nouser_xattr",
  "delalloc",
  "nodelalloc",
  "journal_checksum",
  "noload",
  "usrquota",
  "grpquota",
  "prjquota",
  "data=ordered",
  "data=journal",
  "data=writeback",
  "errors=remount-ro",
  "errors=continue",
  "commit=",
  "stripe=",
  "inode_readahead_blks=",
  "init_itable=",
  "noinit_itable"
]

/** Options of xfs(5). `nouuid` is for clones, whose UUID is that of their source. */
const xfs = [
  "nouuid",
  "norecovery",
  "inode64",
  "largeio",
  "nolargeio",
  "swalloc",
  "wsync",
  "attr2",
  "noquota",
  "uquota",
  "gquota",
  "pquota",
  "usrquota",
  "grpquota",
  "prjquota",
  "allocsize=",
  "logbufs=",
  "logbsize=",
  "sunit=",
  "swidth="
]

/** SELinux labels, which kubelet adds when the CSIDriver says `seLinuxMount`; the value is quoted, as it has commas. */
const seLinux = ["context=", "fscontext=", "defcontext=", "rootcontext="]

const specific: Record<FsType, ReadonlyArray<string>> = { ext4: ext, ext3: ext, xfs }

/** What every file system of a volume is mounted with: people may hand volumes to others, programs run from them. */
const always = ["nosuid", "nodev"]

/**
 * XFS as well with `nouuid`: a clone and what is restored have the UUID of their source, and are to be mounted beside it. The
 * kernel's check for it adds nothing where a device is found by its NQN.
 */
const alwaysFor: Record<FsType, ReadonlyArray<string>> = { ext4: always, ext3: always, xfs: [...always, "nouuid"] }

const value = /^(?:[\w.]+|"[\w.:,-]+"|[\w.:-]+)$/

/**
 * The options to mount a volume of this type with: `nosuid`, `nodev`, for XFS `nouuid`, and the class's `mountOptions`, each once. An entry
 * may hold several options, divided by commas. What is unsafe or unknown is refused with the list of what is allowed.
 */
export const mountFlags = (
  fsType: FsType,
  requested: ReadonlyArray<string>
): Result.Result<ReadonlyArray<string>, InvalidArgument> => {
  const flags = requested.flatMap(divide)
  const refused = flags.find((flag) => !isAllowed(flag, fsType))
  if (refused !== undefined) return Result.fail(refusal(refused, fsType))
  const effective = flags.filter((flag) => flag !== "defaults" && !ignored.includes(flag))
  return Result.succeed([...new Set([...alwaysFor[fsType], ...effective])])
}

/** Splits at commas that are not inside a quoted value. */
const divide = (entry: string) => entry.match(/(?:[^,"]|"[^"]*"?)+/g) ?? [entry]

const isAllowed = (flag: string, fsType: FsType) =>
  [...common, ...ignored, ...specific[fsType], ...seLinux].some((known) =>
    known.endsWith("=") ? flag.startsWith(known) && value.test(flag.slice(known.length)) : flag === known
  )

/** Names the option without its value, which the CSI specification counts as possibly sensitive. */
const refusal = (flag: string, fsType: FsType) =>
  new InvalidArgument({
    field: "mount_flags",
    message: `mount option ${flag.replace(/=.*/, "=…")} is unsafe or unknown for ${fsType}; allowed are ` +
      [...common, ...specific[fsType], ...seLinux].map((known) => known.endsWith("=") ? `${known}…` : known).join(" ")
  })
