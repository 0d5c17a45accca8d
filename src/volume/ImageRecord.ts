import { Option, Schema } from "effect"
import * as Content from "./Content.ts"
import { ClusterId } from "./OwnershipTag.ts"
import { asVolumePath, type VolumePath, withoutSlash } from "./PathRules.ts"

/**
 * How far the image is:
 *
 * - `subvolume`: it is in a subvolume that is made in one step. The image is there if the subvolume is.
 * - `copying`: a copy was begun. What is there of the image may be a part.
 * - `copied`: the copy is complete.
 */
export type ImageState = "subvolume" | "copying" | "copied"

const isState = Schema.is(Schema.Literals(["subvolume", "copying", "copied"]))

/** What is on record of a snapshot, or of a volume that is being made of something. */
export interface ImageRecord {
  readonly clusterId: ClusterId
  readonly target: Content.Content
  readonly source: Content.Content
  /** Size of the source at the cut, in bytes. */
  readonly sizeBytes: bigint
  /** When the source was cut, in milliseconds since the epoch. */
  readonly time: number
  readonly state: ImageState
  readonly path: VolumePath
}

const form =
  /^rds-csi cluster=(\S+) target=(\S+) source=(\S+) size=([0-9]{1,18}) time=([0-9]{1,15}) state=(\S+) path=(\/.*)$/

/** One line of words that a person reading the appliance understands; `parse` is its exact inverse. */
export const encode = ({ clusterId, path, sizeBytes, source, state, target, time }: ImageRecord): string =>
  `rds-csi cluster=${clusterId} target=${Content.encode(target)} source=${Content.encode(source)} size=${sizeBytes} ` +
  `time=${time} state=${state} path=${path}`

/** None for anything that `encode` does not make; a line break that an editor has added at the end is ignored. */
export const parse = (text: string): Option.Option<ImageRecord> => {
  const [, cluster = "", target = "", source = "", size = "", time = "", state, path = ""] =
    form.exec(text.trimEnd()) ?? []
  if (!isState(state)) return Option.none()
  return Option.all({
    clusterId: ClusterId.parse(cluster),
    target: Content.parse(target),
    source: Content.parse(source),
    sizeBytes: Option.some(BigInt(size)),
    time: Option.some(Number(time)),
    state: Option.some(state),
    path: asVolumePath(path)
  })
}

/** `/file` name of the record: `<base>/<id>.snap` of a snapshot, `<base>/<id>.copy` of a volume that is being made. */
export const fileOf = (base: VolumePath, target: Content.Content): string =>
  withoutSlash(`${base}/${target.id}${target._tag === "Snapshot" ? ".snap" : ".copy"}`)
