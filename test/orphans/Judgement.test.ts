import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { describeVerdict, judgeBy } from "../../src/orphans/Judgement.ts"
import type { Reference } from "../../src/orphans/OrphanReferences.ts"
import { maxPerPass, restraint } from "../../src/orphans/Restraint.ts"
import type { RdsVolume } from "../../src/rds/RdsClient.ts"
import * as Content from "../../src/volume/Content.ts"
import { Nqn } from "../../src/volume/Nqn.ts"
import * as OwnershipTag from "../../src/volume/OwnershipTag.ts"
import { SnapshotId } from "../../src/volume/SnapshotId.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { base, GiB, path } from "../rds/Harness.ts"
import { idOf, scope } from "./World.ts"

const id = idOf(1)
const tag = `rds-csi cluster=prod volume=${id}`

interface Item {
  readonly id?: VolumeId
  readonly slot?: string
  readonly path?: string
  readonly comment?: string
}

const origin = Content.encode(Content.ofSnapshot(SnapshotId.fromName("before")))

/** A volume as the driver makes it, unless `change` says something else. */
const volumeOf = (change: Item = {}): RdsVolume => {
  const comment = change.comment ?? `rds-csi cluster=prod volume=${change.id ?? id}`
  return {
    id: change.id ?? id,
    slot: change.slot ?? VolumeId.slot(change.id ?? id),
    nqn: Nqn.ofVolume(change.id ?? id),
    path: path(change.path ?? `${base}/${change.id ?? id}.img`),
    sizeBytes: GiB,
    exported: true,
    port: 4420,
    allowedHosts: Option.none(),
    owner: OwnershipTag.parse(comment),
    comment
  }
}

const referenceTo = (...keys: ReadonlyArray<string>): Reference => ({ by: "PersistentVolume x", keys })

describe("a volume to which nothing refers is judged by its comment and its place", () => {
  it.each<readonly [title: string, change: Item, says: RegExp]>([
    ["the driver's own", {}, /^this cluster made it, and nothing refers to it$/],
    ["in a directory below the base", { path: `${base}/team/${id}.img` }, /^this cluster made it/],
    ["in a directory of its own", { path: `${base}/${id}/disk.img` }, /^this cluster made it/],
    ["with the Go driver's slot", { slot: id }, /^this cluster made it/],
    ["trap: without a comment, as the Go driver's", { comment: "" }, /no comment proves/],
    ["with somebody's own comment", { comment: "do not touch" }, /no comment proves/],
    ["with a comment that only begins like a tag", { comment: "rds-csi cluster=prod" }, /no comment proves/],
    ["trap: of another cluster", { comment: `rds-csi cluster=staging volume=${id}` }, /belongs to cluster staging/],
    ["of a cluster whose name begins like this one's", { comment: `rds-csi cluster=prod2 volume=${id}` }, /prod2/],
    [
      "with the tag of another volume",
      { comment: `rds-csi cluster=prod volume=${idOf(2)}` },
      /names volume .*02: never/
    ],
    ["made of a snapshot", { comment: `${tag} from=${origin}` }, /^this cluster made it/],
    ["made of a snapshot, and marked", { comment: `${tag} from=${origin} keep` }, /"keep" behind the tag: kept/],
    ["marked", { comment: `${tag} keep` }, /"keep" behind the tag: kept/],
    ["being copied", { comment: `${tag} copying=snap-1` }, /"copying=snap-1" behind the tag: kept/],
    ["with a blank before or behind the tag", { comment: `${tag} ` }, /kept$/],
    ["in a slot of another name", { slot: "snap-1" }, /its slot is snap-1, not pvc-/],
    ["outside the base", { path: `/storage-pool/metal-csi2/${id}.img` }, /not below \/storage-pool\/metal-csi: never/],
    ["trap: a snapshot is no volume", { path: `${base}/snap-1.img` }, /not named like its image: never/],
    ["with a file whose name only ends alike", { path: `${base}/x${id}.img` }, /not named like its image/]
  ])("%s", (_, change, says) => {
    const verdict = judgeBy([], scope)(volumeOf(change))
    assert.match(describeVerdict(verdict), says)
    assert.strictEqual(verdict._tag === "Orphan", describeVerdict(verdict).startsWith("this cluster made it"))
  })
})

describe("a volume is needed when anything refers to it", () => {
  it.each<readonly [title: string, reference: Reference]>([
    ["by its id", referenceTo("other", id)],
    ["by its id in capitals", referenceTo(id.toUpperCase())],
    ["by its NQN", referenceTo(Nqn.ofVolume(id))],
    ["by the path of its image", referenceTo(`${base}/${id}.img`)],
    ["trap: by a path without the leading slash", referenceTo(`storage-pool/metal-csi/${id}.img`)],
    ["by a name that only the reference itself understands", { by: "x", keys: [], isTo: (other) => other === id }]
  ])("%s", (_, reference) => {
    const judge = judgeBy([referenceTo("unrelated"), reference], scope)
    for (const comment of [tag, "", `${tag} keep`, `rds-csi cluster=staging volume=${id}`]) {
      assert.deepStrictEqual(judge(volumeOf({ comment })), { _tag: "Referenced", by: reference.by })
    }
    assert.strictEqual(judge(volumeOf({ id: idOf(2) }))._tag, "Orphan")
  })
})

describe("nothing is touched when too many would go", () => {
  const judged = (orphans: number, referenced: number, others = 0) => [
    ...Array.from({ length: orphans }, () => ({ volume: volumeOf(), verdict: { _tag: "Orphan" } as const })),
    ...Array.from(
      { length: referenced },
      () => ({ volume: volumeOf(), verdict: { _tag: "Referenced", by: "x" } as const })
    ),
    ...Array.from({ length: others }, () => ({ volume: volumeOf(), verdict: { _tag: "Untagged" } as const }))
  ]

  it.each([
    { orphans: 0, referenced: 0, held: false },
    { orphans: 1, referenced: 0, held: true },
    { orphans: 1, referenced: 1, held: false },
    { orphans: 2, referenced: 1, held: false },
    { orphans: 3, referenced: 1, held: true },
    { orphans: 3, referenced: 8, held: true },
    { orphans: 3, referenced: 9, held: false },
    { orphans: 250, referenced: 750, held: false },
    { orphans: 251, referenced: 749, held: true }
  ])("$orphans orphans beside $referenced others: $held", ({ held, orphans, referenced }) => {
    assert.strictEqual(restraint(judged(orphans, referenced)) !== undefined, held)
    assert.strictEqual(restraint(judged(orphans, referenced, 1000)) !== undefined, held, "others' volumes do not count")
  })

  it("and never more than a few at a time", () => {
    assert.isAtMost(maxPerPass, 5)
  })
})
