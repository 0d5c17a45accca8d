import { assert, describe, it } from "@effect/vitest"
import type { MigrationEnd } from "../../src/attachment/AttachmentState.ts"
import { type Announcement, describe as inWords, isWarning, names, secondsOf } from "../../src/attachment/Facts.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

const volumeId = VolumeId.fromName("data")
const ended = (result: MigrationEnd["result"]): Announcement => ({
  _tag: "MigrationEnded",
  volumeId,
  end: { number: 1, source: "a", target: "b", startedAt: 10_000, endedAt: 24_600, result }
})

describe("a fact in words", () => {
  it.each<readonly [Announcement, boolean, string]>([
    [{ _tag: "Attached", volumeId, nodeId: "a" }, false, "attached to node a"],
    [{ _tag: "Detached", volumeId, nodeId: "a" }, false, "detached from node a"],
    [
      { _tag: "MigrationStarted", volumeId, source: "a", target: "b", timeoutSeconds: 300 },
      false,
      "migration from node a to node b started; it may take 300 s"
    ],
    [ended("completed"), false, "migration from node a to node b completed after 15 s"],
    [
      ended("cancelled"),
      true,
      "migration from node a to node b failed after 15 s: the target was detached, the source keeps the volume"
    ],
    [
      ended("timeout"),
      true,
      "migration from node a to node b failed: after 15 s both nodes still hold the volume; neither is cut off, and no other " +
      "node gets it until one of them is detached"
    ],
    [
      { _tag: "Conflict", volumeId, nodeId: "c", holders: ["a"], reason: "held" },
      true,
      "node c was refused: node a holds the volume"
    ],
    [
      { _tag: "Conflict", volumeId, nodeId: "c", holders: ["a", "b"], reason: "full" },
      true,
      "node c was refused: nodes a and b hold the volume"
    ],
    [
      { _tag: "Adopted", volumeId, nodeId: "a" },
      false,
      "node a was found attached without a grant and counts as a holder from now on"
    ],
    [
      { _tag: "StaleCleared", volumeId, nodeId: "a" },
      false,
      "the grant of node a was cleared: it has not been attached for longer than the grace period"
    ],
    [
      { _tag: "TooManyHolders", volumeId, holders: ["a", "b", "c"] },
      true,
      "nodes a, b and c hold the volume, more than may share it: no other node gets it until that is resolved"
    ],
    [
      { _tag: "RecordUnreadable", volumeId, reason: "no JSON" },
      true,
      "the record of attachments is unreadable (no JSON): no node gets the volume until it is rebuilt"
    ]
  ])("%o", (fact, warns, words) => {
    assert.strictEqual(inWords(fact), words)
    assert.strictEqual(isWarning(fact), warns)
  })

  it("names nodes as a sentence needs them", () => {
    assert.deepStrictEqual([["a"], ["a", "b"], ["a", "b", "c"]].map(names), [
      "node a",
      "nodes a and b",
      "nodes a, b and c"
    ])
  })

  it("clocks that disagree make no migration take less than no time", () => {
    const end = { number: 1, source: "a", target: "b", startedAt: 10_000, result: "completed" } as const
    assert.strictEqual(secondsOf({ ...end, endedAt: 9_000 }), 0)
    assert.strictEqual(secondsOf({ ...end, endedAt: 12_500 }), 2.5)
  })
})
