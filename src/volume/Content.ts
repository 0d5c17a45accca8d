import { Option } from "effect"
import { SnapshotId } from "./SnapshotId.ts"
import { VolumeId } from "./VolumeId.ts"

/** What has content on the appliance: a snapshot or a volume. What another one is made of, or is being copied to. */
export type Content =
  | { readonly _tag: "Snapshot"; readonly id: SnapshotId }
  | { readonly _tag: "Volume"; readonly id: VolumeId }

export const ofSnapshot = (id: SnapshotId): Content => ({ _tag: "Snapshot", id })
export const ofVolume = (id: VolumeId): Content => ({ _tag: "Volume", id })

/** `snapshot/<id>` or `volume/<id>`: one word, which `parse` reads back. */
export const encode = (content: Content): string =>
  content._tag === "Snapshot" ? `snapshot/${content.id}` : `volume/${content.id}`

export const parse = (text: string): Option.Option<Content> => {
  const [, kind, id = ""] = /^(snapshot|volume)\/(.+)$/.exec(text) ?? []
  if (kind === "snapshot") return Option.map(SnapshotId.parse(id), ofSnapshot)
  return kind === "volume" ? Option.map(VolumeId.parse(id), ofVolume) : Option.none()
}

export const isSame = (a: Content, b: Content): boolean => encode(a) === encode(b)

/** For messages: `snapshot <id>` or `volume <id>`. */
export const describe = (content: Content): string => encode(content).replace("/", " ")
