import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, Schema } from "effect"
import { type AttachmentRequest, Attachments } from "../../src/attachment/Attachments.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { shuffled } from "../support/ShuffleScheduler.ts"

const volumeId = VolumeId.fromName("data")
const request = (nodeId: string, change: Partial<AttachmentRequest> = {}): AttachmentRequest => ({
  volumeId,
  nodeId,
  accessMode: "SINGLE_NODE_WRITER",
  readonly: false,
  ...change
})
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => Result.isFailure(result) ? result.failure._tag : "granted")

describe("Attachments", () => {
  it.effect("refuses a second node and names the holder", () =>
    Effect.gen(function*() {
      const attachments = yield* Attachments
      yield* attachments.publish(request("node-a"))
      const refusal = yield* Effect.flip(attachments.publish(request("node-b")))
      assert.strictEqual(refusal._tag, "AttachmentConflict")
      assert.include(refusal.message, "node-a")
      assert.include(refusal.message, volumeId)
      assert.deepStrictEqual(yield* attachments.holders(volumeId), ["node-a"])
    }).pipe(Effect.provide(Attachments.layerMemory)))

  it.effect("grants the same request again, and only the same", () =>
    Effect.gen(function*() {
      const attachments = yield* Attachments
      yield* attachments.publish(request("node-a"))
      assert.strictEqual(yield* tagOf(attachments.publish(request("node-a"))), "granted")
      assert.strictEqual(
        yield* tagOf(attachments.publish(request("node-a", { readonly: true }))),
        "AttachmentIncompatible"
      )
      assert.strictEqual(
        yield* tagOf(attachments.publish(request("node-a", { accessMode: "SINGLE_NODE_READER_ONLY" }))),
        "AttachmentIncompatible"
      )
    }).pipe(Effect.provide(Attachments.layerMemory)))

  it.effect("trap: grace period evicted the live holder: A, then B, never B while A holds", () =>
    Effect.gen(function*() {
      const attachments = yield* Attachments
      yield* attachments.publish(request("node-a"))
      yield* attachments.unpublish(volumeId, Option.some("node-a"))
      yield* attachments.publish(request("node-b"))
      assert.strictEqual(yield* tagOf(attachments.publish(request("node-c"))), "AttachmentConflict")
      assert.deepStrictEqual(yield* attachments.holders(volumeId), ["node-b"])
    }).pipe(Effect.provide(Attachments.layerMemory)))

  it.effect("releases only the node that is named, or all without a name", () =>
    Effect.gen(function*() {
      const attachments = yield* Attachments
      yield* attachments.publish(request("node-a"))
      yield* attachments.unpublish(volumeId, Option.some("node-b"))
      assert.deepStrictEqual(yield* attachments.holders(volumeId), ["node-a"])
      yield* attachments.unpublish(volumeId, Option.none())
      yield* attachments.unpublish(volumeId, Option.none())
      assert.deepStrictEqual(yield* attachments.holders(volumeId), [])
    }).pipe(Effect.provide(Attachments.layerMemory)))

  it.effect.prop("trap: check, then track, with an await between: one of two publishes wins", [
    Schema.Int
  ], ([seed]) =>
    Effect.gen(function*() {
      const attachments = yield* Attachments
      const nodes = ["node-a", "node-b", "node-c"]
      const results = yield* Effect.forEach(nodes, (node) => tagOf(attachments.publish(request(node))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(results.filter((result) => result === "granted").length, 1)
      const winner = nodes.filter((_, i) => results[i] === "granted")
      assert.deepStrictEqual(yield* attachments.holders(volumeId), winner)
    }).pipe(Effect.provide(Attachments.layerMemory), shuffled(seed)), { arbitrary: { runs: 100 } })
})
