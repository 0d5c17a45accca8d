import { Option, Result, Schema } from "effect"
import { InvalidArgument } from "./Errors.ts"
import type { SnapshotId } from "./SnapshotId.ts"
import type { VolumeId } from "./VolumeId.ts"

/**
 * Printable ASCII less what RouterOS scripts, globs or a shell give a meaning of their own. Other characters cannot be
 * written into a RouterOS script. A blank is allowed.
 */
const pathForm = /^[ !#%+,\-./0-9:=@A-Z^_a-z{}~]+$/

/** Keeps a volume context, which holds the image's path, below the 4 KiB that the CSI specification allows. */
const maxDirectoryLength = 512

const problemOf = (path: string): string | undefined => {
  const segments = path.slice(1).split("/")
  if (!path.startsWith("/")) return "must be absolute, starting with \"/\""
  if (segments.includes("")) return "must name a directory, without \"//\" and without \"/\" at the end"
  if (segments.some((segment) => segment === "." || segment === "..")) return "must not hold \".\" or \"..\""
  if (!pathForm.test(path)) {
    return "must be of letters, digits, blanks and the characters ! # % + , - . / : = @ ^ _ { } ~"
  }
  return undefined
}

/** An absolute, clean path on the appliance: no `.`, `..`, empty segment or character with a meaning to RouterOS. */
export const VolumePath = Schema.String.check(Schema.makeFilter(problemOf)).pipe(Schema.brand("VolumePath"))
export type VolumePath = typeof VolumePath.Type

const imageName = "disk.img"

const isVolumePath = Schema.is(VolumePath)

/** The path, if it is absolute and clean. */
export const asVolumePath: (path: string) => Option.Option<VolumePath> = Option.liftPredicate(isVolumePath)

const validate = (path: string, field: string): Result.Result<VolumePath, InvalidArgument> => {
  const invalid = (problem: string | undefined) =>
    Result.fail(new InvalidArgument({ field, message: `${field} ${JSON.stringify(path)} ${problem}` }))
  if (path.length > maxDirectoryLength) return invalid(`must have at most ${maxDirectoryLength} characters`)
  return isVolumePath(path) ? Result.succeed(path) : invalid(problemOf(path))
}

/** The directory below which all images live, as configured; slashes at its end are dropped. The root is refused. */
export const validateBase = (path: string): Result.Result<VolumePath, InvalidArgument> =>
  validate(path.replace(/(?<=[^/])\/+$/, ""), "volume base path")

/** A directory given from outside: clean, and the base itself or below it, compared by whole segments. */
export const validateUnder = (
  base: VolumePath,
  path: string,
  field: string
): Result.Result<VolumePath, InvalidArgument> =>
  Result.filterOrFail(validate(path, field), (clean) => isUnder(base, clean), () => {
    const message = `${field} ${JSON.stringify(path)} must be the volume base path ${base} or a directory below it`
    return new InvalidArgument({ field, message })
  })

/** Whether the path is clean and is the base or lies below it. `/base2` is not below `/base`. */
export const isUnder = (base: VolumePath, path: string): boolean =>
  isVolumePath(path) && (path === base || path.startsWith(`${base}/`))

/** The backing file of a new volume or snapshot: `<directory>/<id>.img`. */
export const imagePath = (directory: VolumePath, id: VolumeId | SnapshotId): VolumePath =>
  VolumePath.make(`${directory}/${id}.img`)

/** The btrfs subvolume of a volume or snapshot that has one of its own: `<directory>/<id>`. */
export const subvolumePath = (directory: VolumePath, id: VolumeId | SnapshotId): VolumePath =>
  VolumePath.make(`${directory}/${id}`)

/**
 * The backing file in a subvolume of its own: `<directory>/<id>/disk.img`. The file's name is the same in all of them, since
 * a snapshot of a subvolume holds what the subvolume holds.
 */
export const subvolumeImagePath = (directory: VolumePath, id: VolumeId | SnapshotId): VolumePath =>
  VolumePath.make(`${subvolumePath(directory, id)}/${imageName}`)

/** The directory of a volume whose backing file is at `path`, in either form; none if the file is not that volume's. */
export const directoryOf = (path: string, id: VolumeId | SnapshotId): Option.Option<VolumePath> => {
  const ending = [`/${id}.img`, `/${id}/${imageName}`].find((end) => path.endsWith(end))
  return asVolumePath(path.slice(0, path.length - (ending ?? path).length))
}

/** Whether the backing file is in a subvolume of its own. */
export const isInSubvolume = (path: string, id: VolumeId | SnapshotId): boolean => path.endsWith(`/${id}/${imageName}`)

/** The subvolume that a backing file of that kind is in. */
export const subvolumeOf = (image: VolumePath): VolumePath =>
  VolumePath.make(image.slice(0, image.length - imageName.length - 1))

/** The form in which `/file` names it: RouterOS prints file names without the leading slash that `/disk` shows. */
export const withoutSlash = (path: string): string => path.replace(/^\/+/, "")

/** The form that `/disk` shows: exactly one leading slash, added if it is missing. */
export const normalise = (path: string): string => `/${withoutSlash(path)}`

/** The first component, without slash: the `mount-point` of the pool that holds the path. */
export const mountPointOf = (path: string): string => withoutSlash(path).split("/", 1).join()
