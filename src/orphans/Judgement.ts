import { Option } from "effect"
import type { RdsVolume } from "../rds/RdsClient.ts"
import * as ItemComment from "../volume/ItemComment.ts"
import { Nqn } from "../volume/Nqn.ts"
import type * as OwnershipTag from "../volume/OwnershipTag.ts"
import { isUnder, normalise, type VolumePath } from "../volume/PathRules.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import type { Reference } from "./OrphanReferences.ts"

/** What this cluster may call its own on the appliance. */
export interface OrphanScope {
  readonly clusterId: OwnershipTag.ClusterId
  /** Nothing outside this directory is an orphan. */
  readonly base: VolumePath
}

/**
 * What a volume on the appliance is to this cluster:
 *
 * - `Referenced`: something of the cluster refers to it.
 * - `Untagged`: nothing does, but its comment does not prove that this driver made it. Volumes of the Go driver are such.
 * - `OtherCluster`: the comment names another cluster.
 * - `Misplaced`: the comment is right, and slot or file are not what this driver gives that volume.
 * - `Kept`: there is text behind the tag: somebody, or another operation, has put a mark on it.
 * - `Orphan`: this cluster made it, and nothing refers to it.
 */
export type Verdict =
  | { readonly _tag: "Referenced"; readonly by: string }
  | { readonly _tag: "Untagged" }
  | { readonly _tag: "OtherCluster"; readonly clusterId: string }
  | { readonly _tag: "Misplaced"; readonly why: string }
  | { readonly _tag: "Kept"; readonly mark: string }
  | { readonly _tag: "Orphan" }

/** A volume with what it is to this cluster. */
export interface Judged {
  readonly volume: RdsVolume
  readonly verdict: Verdict
}

/**
 * Judges volumes by what refers to them. The references must have been read after the volumes: one that was made in between
 * is then among them. Only a volume for which everything is proven is an orphan; whatever is less certain is something else.
 */
export const judgeBy = (references: ReadonlyArray<Reference>, scope: OrphanScope) => {
  const referenceTo = finderIn(references)
  return (volume: RdsVolume): Verdict =>
    Option.match(referenceTo(volume), {
      onNone: () => judgeOwner(volume, scope),
      onSome: ({ by }) => ({ _tag: "Referenced", by })
    })
}

/** What refers to a volume, or to the file of one. */
export const finderIn = (references: ReadonlyArray<Reference>) => {
  const byKey = new Map(
    references.flatMap((reference) => reference.keys.map((key) => [formOf(key), reference] as const))
  )
  const others = references.filter(({ isTo }) => isTo !== undefined)
  return ({ id, path }: { readonly id: VolumeId; readonly path: string }): Option.Option<Reference> => {
    const [named] = [id, Nqn.ofVolume(id), path].flatMap((key) => byKey.get(formOf(key)) ?? [])
    return Option.fromUndefinedOr(named ?? others.find(({ isTo }) => isTo?.(id) === true))
  }
}

/** One form for what is written in several: NQNs are lower-cased, and `/file` names paths without the leading slash. */
const formOf = (key: string): string => key.includes("/") ? normalise(key) : key.toLowerCase()

const judgeOwner = (volume: RdsVolume, scope: OrphanScope): Verdict => {
  if (Option.isNone(volume.owner)) return { _tag: "Untagged" }
  const { clusterId, volumeId } = volume.owner.value
  if (clusterId !== scope.clusterId) return { _tag: "OtherCluster", clusterId }
  const why = volumeId === volume.id ? misplacement(volume, scope) : `its comment names volume ${volumeId}`
  if (why !== undefined) return { _tag: "Misplaced", why }
  const tag = ItemComment.encode(volume.owner.value, ItemComment.originOf(volume.comment))
  return volume.comment === tag ? { _tag: "Orphan" } : { _tag: "Kept", mark: volume.comment.replace(tag, "").trim() }
}

const misplacement = ({ id, path, slot }: RdsVolume, { base }: OrphanScope): string | undefined => {
  if (!VolumeId.slots(id).includes(slot)) return `its slot is ${slot}, not ${VolumeId.slot(id)}`
  if (!isUnder(base, path)) return `its file is not below ${base}`
  const isImage = path.endsWith(`/${id}.img`) || path.endsWith(`/${id}/disk.img`)
  return isImage ? undefined : "its file is not named like its image"
}

/** The verdict in words for people, without the volume. */
export const describeVerdict = (verdict: Verdict): string => {
  switch (verdict._tag) {
    case "Referenced":
      return `${verdict.by} refers to it`
    case "Untagged":
      return "nothing refers to it, but no comment proves that this cluster made it: never removed"
    case "OtherCluster":
      return `it belongs to cluster ${verdict.clusterId}: never removed`
    case "Misplaced":
      return `it is tagged as this cluster's, but ${verdict.why}: never removed`
    case "Kept":
      return `nothing refers to it, but its comment has ${JSON.stringify(verdict.mark)} behind the tag: kept`
    case "Orphan":
      return "this cluster made it, and nothing refers to it"
  }
}
