import { Option, Schema } from "effect"
import { VolumeId } from "./VolumeId.ts"

const clusterIdSchema = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)).pipe(
  Schema.brand("ClusterId")
)

/** What tells the clusters that share an appliance apart: 1 to 63 letters, digits, `.`, `_`, `-`, no sign in front. */
export type ClusterId = typeof clusterIdSchema.Type

export const ClusterId = {
  schema: clusterIdSchema,
  /** What a cluster is called that nobody gave a name: not unique, so it proves less than others. */
  fallback: clusterIdSchema.make("default"),
  parse: (text: string): Option.Option<ClusterId> => Option.liftPredicate(Schema.is(clusterIdSchema))(text)
}

/** Which volume of which cluster an item on the appliance belongs to. */
export interface Owner {
  readonly clusterId: ClusterId
  readonly volumeId: VolumeId
}

const form = /^rds-csi cluster=(\S+) volume=(\S+)(?:\s|$)/

/**
 * The `comment` of the volume's item in `/disk`, which a person reading the appliance understands and `parse` reads
 * back: ASCII, and at most 200 characters for any id that `VolumeId.fromName` makes.
 */
export const encode = ({ clusterId, volumeId }: Owner): string => `rds-csi cluster=${clusterId} volume=${volumeId}`

/** The owner a comment names; text that a person has added behind the tag is ignored. */
export const parse = (comment: string): Option.Option<Owner> => {
  const [, cluster = "", volume = ""] = form.exec(comment.trimStart()) ?? []
  return Option.all({ clusterId: ClusterId.parse(cluster), volumeId: VolumeId.parse(volume) })
}
