import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type AttachmentState, decodeState, emptyState, encodeState } from "../../src/attachment/AttachmentState.ts"

const holder = (nodeId: string) => ({
  nodeId,
  accessMode: "MULTI_NODE_MULTI_WRITER",
  readonly: false,
  since: 1_800_000_000_000,
  adopted: false
} as const)

const running = { number: 2, source: "a", target: "b", startedAt: 1, deadline: 2, timedOut: false }
const migrating: AttachmentState = {
  revision: 7,
  holders: [holder("a"), holder("b")],
  migration: running,
  migrations: 2,
  migrationTimeoutSeconds: 300,
  untold: [{ number: 1, source: "b", target: "a", startedAt: 1, endedAt: 2, result: "cancelled" }]
}
const written = { version: 1, ...migrating }

describe("the text of a state", () => {
  it("keeps the state", () => {
    const due = { ...migrating, migration: { ...running, deadline: running.startedAt } }
    for (const state of [emptyState, migrating, due]) {
      assert.deepStrictEqual(decodeState(encodeState(state)), Result.succeed(state))
    }
  })

  it("is JSON with a version, and this driver's own form of it", () => {
    assert.deepStrictEqual(JSON.parse(encodeState(migrating)), written)
  })

  it("may hold more than is known", () => {
    assert.deepStrictEqual(decodeState(JSON.stringify({ ...written, comment: "hands off" })), Result.succeed(migrating))
  })

  it.each(
    [
      ["nothing", ""],
      ["no JSON", "nonsense"],
      ["half of it", encodeState(migrating).slice(0, 60)],
      ["null", "null"],
      ["an empty object", "{}"],
      ["a list", "[]"],
      ["a later version", JSON.stringify({ ...written, version: 2 })],
      ["no holders", JSON.stringify({ ...written, holders: undefined })],
      ["an unknown mode", JSON.stringify({ ...written, holders: [{ ...holder("a"), accessMode: "ANY" }] })],
      ["a nameless node", JSON.stringify({ ...written, migration: null, holders: [holder("")] })],
      ["a negative revision", JSON.stringify({ ...written, revision: -1 })],
      [
        "a text for a time",
        JSON.stringify({ ...written, migration: null, holders: [{ ...holder("a"), since: "now" }] })
      ],
      [
        "a node that holds it twice",
        JSON.stringify({ ...written, migration: null, holders: [holder("a"), holder("a")] })
      ],
      [
        "a migration to where it is",
        JSON.stringify({ ...written, migration: { ...running, target: "a" } })
      ],
      ["a migration from nowhere", JSON.stringify({ ...written, migration: { ...running, source: "c" } })],
      ["a migration to nowhere", JSON.stringify({ ...written, migration: { ...running, target: "c" } })],
      [
        "a deadline before the start",
        JSON.stringify({ ...written, migration: { ...running, deadline: 0 } })
      ]
    ] as const
  )("%s is a failure, never an empty state", (_, text) => {
    const state = decodeState(text)
    assert.isTrue(Result.isFailure(state), JSON.stringify(state))
    assert.isNotEmpty(Result.isFailure(state) ? state.failure : "")
  })
})
