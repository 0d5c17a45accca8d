import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { base, GiB, path, quietly, spec } from "./Harness.ts"
import { hurried, startInProcess } from "./InProcess.ts"

const elsewhere = { directory: path(`${base}/else where`) }

/** A volume in a directory of its own, whose deletion broke off when only its file and the note of where it is were left. */
const halfRemoved = Effect.gen(function*() {
  const appliance = yield* startInProcess()
  const { id } = yield* appliance.rds.create(spec("a", elsewhere))
  appliance.breaks.push("none", 3, "before", "before", "before")
  yield* Effect.flip(appliance.rds.remove(id))
  appliance.breaks.length = 0
  const files = Effect.map(
    appliance.device.state,
    ({ files }) => files.filter(({ directory }) => !directory).map(({ path }) => path.split(".").at(-1))
  )
  assert.sameMembers(yield* files, ["img", "path"])
  return { ...appliance, id, files }
})

quietly("an answer of the appliance that arrives otherwise than it was given", (it) => {
  it.effect("trap: the lost line about the note of a file is no \"there is none\": the file goes too", () =>
    Effect.gen(function*() {
      const { files, id, mangles, rds } = yield* halfRemoved
      mangles.push((answer) => answer.split("\r\n").filter((line) => !line.startsWith("record ")).join("\r\n"))
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.scoped, hurried))

  it.effect("trap: a note that was misread is not dropped for the file that it does not name", () =>
    Effect.gen(function*() {
      const { files, id, mangles, rds } = yield* halfRemoved
      mangles.push((answer) =>
        answer.replace("record \"storage-pool/metal-csi/else", "record \"storage-pool/metal-csi/elle")
      )
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.scoped, hurried))

  it.effect("about another volume than was asked for is an error, and not \"there is none\"", () =>
    Effect.gen(function*() {
      const { mangles, rds } = yield* startInProcess()
      const { id } = yield* rds.create(spec("a"))
      const grown = Effect.asVoid(rds.grow(id, 2n * GiB))
      for (const ask of [Effect.asVoid(rds.get(id)), grown, Effect.asVoid(rds.create(spec("a")))]) {
        mangles.push((answer) => answer.replaceAll("mikrotik:pvc-", "mikrotik:pvc_"))
        const error = yield* Effect.flip(ask)
        assert.strictEqual(error._tag, "ApplianceUnsupported")
        assert.include(error.message, "not asked for")
      }
    }).pipe(Effect.scoped, hurried))
})
