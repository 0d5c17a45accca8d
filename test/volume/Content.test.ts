import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import * as Content from "../../src/volume/Content.ts"
import * as ImageRecord from "../../src/volume/ImageRecord.ts"
import * as ItemComment from "../../src/volume/ItemComment.ts"
import { ClusterId } from "../../src/volume/OwnershipTag.ts"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { VolumePath } from "../../src/volume/PathRules.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

const volume = Content.ofVolume(VolumeId.fromName("a"))
const snapshot = Content.ofSnapshot(SnapshotId.fromName("s"))
const owner = { clusterId: ClusterId.schema.make("prod"), volumeId: VolumeId.fromName("b") }

describe("Content", () => {
  it("is one word that is read back, and nothing else is", () => {
    for (const content of [volume, snapshot]) {
      assert.match(Content.encode(content), /^\S+$/)
      assert.deepStrictEqual(Content.parse(Content.encode(content)), Option.some(content))
    }
    for (const text of ["", "volume/", "snapshot/../x", "disk/a", "volume/pvc-1"]) {
      assert.deepStrictEqual(Content.parse(text), Option.none(), text)
    }
    assert.isFalse(Content.isSame(volume, snapshot))
  })
})

describe("ItemComment", () => {
  it("is the ownership tag with the origin behind it, which older releases take for the tag alone", () => {
    assert.strictEqual(ItemComment.encode(owner, Option.none()), OwnershipTag.encode(owner))
    for (const origin of [volume, snapshot]) {
      const comment = ItemComment.encode(owner, Option.some(origin))
      assert.deepStrictEqual(OwnershipTag.parse(comment), Option.some(owner))
      assert.deepStrictEqual(ItemComment.originOf(comment), Option.some(origin))
      assert.deepStrictEqual(ItemComment.copyOf(comment), Option.none())
    }
  })

  it("of a person says nothing of an origin", () => {
    for (const comment of ["", "web shop", `from=${Content.encode(volume)}`, OwnershipTag.encode(owner)]) {
      assert.deepStrictEqual(ItemComment.originOf(comment), Option.none(), comment)
    }
  })
})

describe("ImageRecord", () => {
  const record: ImageRecord.ImageRecord = {
    clusterId: owner.clusterId,
    target: snapshot,
    source: volume,
    sizeBytes: 1n << 40n,
    time: 1_760_000_000_000,
    state: "subvolume",
    path: Schema.decodeSync(VolumePath)("/pool/fast lane/x.img")
  }

  it("is one line that is read back, also with the line end of an editor", () => {
    for (const state of ["subvolume", "copying", "copied"] as const) {
      const text = ImageRecord.encode({ ...record, state })
      assert.match(text, /^[\x20-\x7e]+$/)
      assert.deepStrictEqual(ImageRecord.parse(text), Option.some({ ...record, state }))
      assert.deepStrictEqual(ImageRecord.parse(`${text}\r\n`), Option.some({ ...record, state }))
    }
  })

  it("is not read when any part of it is wrong (trap: unknown is not no)", () => {
    const text = ImageRecord.encode(record)
    const wrong = [
      text.slice(0, -text.length / 2),
      text.replace("state=subvolume", "state=done"),
      text.replace("path=/", "path="),
      text.replace("fast lane", ".."),
      text.replace(/size=\d+/, "size=-1"),
      text.replace("target=snapshot/", "target="),
      text.replace("cluster=prod", "cluster=a/b"),
      `x${text}`
    ]
    for (const line of ["", ...wrong]) assert.deepStrictEqual(ImageRecord.parse(line), Option.none(), line)
  })
})
