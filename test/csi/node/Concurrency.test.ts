import { assert, it } from "@effect/vitest"
import { Effect, Option, Random, Schema } from "effect"
import { decode } from "../../../src/mount/memory/FilesystemImage.ts"
import { shuffled } from "../../support/ShuffleScheduler.ts"
import * as Kit from "./NodeKit.ts"

/** The calls that kubelet may have in flight at once after it forgot some in a crash. */
const calls = (driver: Kit.Driver, volume: Kit.TestVolume) => [
  driver.stage(volume),
  driver.stage(volume),
  driver.publish(volume),
  driver.publish(volume),
  driver.publish(volume, { targetPath: "/pods/other/mount" }),
  driver.unpublish(volume),
  driver.unstage(volume),
  driver.expand(volume, Kit.GiB)
]

const race = Effect.fnUntraced(function*() {
  const { machine, volume, driver } = yield* Kit.setUp()
  yield* driver.stage(volume)
  yield* machine.host.writeFile(volume.stagingPath, "data", "precious")
  for (let round = 0; round < 3; round++) {
    const order = yield* Random.shuffle(calls(driver, volume))
    const codes = yield* Effect.forEach(order, (call) => Kit.codeOf(call), { concurrency: "unbounded" })
    assert.includeMembers(["OK", "ABORTED", "FAILED_PRECONDITION", "NOT_FOUND"], codes)
    const paths = yield* Kit.mountedPaths(machine)
    assert.lengthOf(paths, new Set(paths).size)
    const disk = Option.getOrThrow(machine.exports.peek(volume.nqn)).content
    assert.strictEqual(Option.getOrThrow(decode(disk)).files["data"], "precious")
    const published = paths.filter((path) => path !== volume.stagingPath)
    const connected = yield* Kit.connectedTo(machine)
    if (paths.length > 0) assert.deepStrictEqual(connected, [volume.nqn])
    const recorded = Option.match(yield* machine.records.get(volume.id), {
      onNone: () => [],
      onSome: ({ publications }) => publications.map(({ targetPath }) => targetPath)
    })
    assert.sameMembers(recorded, published)
  }
})

it.effect.prop(
  "calls for one volume in any interleaving: one at a time, the others are ABORTED; nothing is stacked, lost or left over",
  [Schema.Int],
  ([seed]) => race().pipe(shuffled(seed)),
  { arbitrary: { runs: 60 } }
)
