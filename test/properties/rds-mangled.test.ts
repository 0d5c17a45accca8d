import { assert } from "@effect/vitest"
import { Arbitrary, Effect, Option, Schema } from "effect"
import type { VolumeId } from "../../src/volume/VolumeId.ts"
import { base, GiB, path, quietly, spec } from "../rds/Harness.ts"
import { hurried, startInProcess } from "../rds/InProcess.ts"
import { mangled, Mangling } from "../support/Mangling.ts"

type Appliance = Effect.Success<ReturnType<typeof startInProcess>>

/** How many stories are played; CI plays more than a developer waits for. */
const runs = Number(process.env["RDS_CSI_MANGLE_RUNS"] ?? 50)

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Story = Schema.Struct({
  operation: Schema.Literals(["create", "create elsewhere", "remove", "grow", "get", "list"]),
  /** 0 at its usual place, 1 in a directory of its own, 2 without an item, 3 is none. */
  volume: between(0, 3),
  manglings: Schema.Array(Mangling).check(Schema.isMinLength(1), Schema.isMaxLength(4))
})
type Story = typeof Story.Type

const elsewhere = path(`${base}/else where`)
const specOf = (n: number) => spec(`volume ${n}`, { directory: n === 0 ? base : elsewhere })
const grown = 3n * GiB

/** Two volumes, one that a crash left without an item, another cluster's volume, and a file of somebody's. */
const prepare = Effect.gen(function*() {
  const appliance = yield* startInProcess()
  yield* appliance.rds.create(specOf(0))
  yield* appliance.rds.create(specOf(1))
  yield* appliance.rds.create(specOf(2))
  // Note, export, item: then the connection breaks for as long as it is tried.
  appliance.breaks.push("none", 3, "before", "before", "before")
  yield* Effect.flip(appliance.rds.remove(specOf(2).id))
  appliance.breaks.length = 0
  const { disks, files } = yield* appliance.device.state
  assert.lengthOf(disks, 2)
  assert.lengthOf(files.filter(({ path }) => path.endsWith(".img")), 3)
  return appliance
})

const nqnOf = (id: VolumeId) => `nqn.2000-02.com.mikrotik:${id}`

/** What the appliance truly has of the volume. */
const truthOf = Effect.fnUntraced(function*({ device }: Appliance, id: VolumeId) {
  const { disks, files } = yield* device.state
  return {
    item: disks.find(({ nqn }) => nqn === nqnOf(id)),
    images: files.filter((file) => file.path.endsWith(`/${id}.img`)),
    records: files.filter((file) => file.path.endsWith(`/${id}.path`))
  }
})

/** Everything that belongs to other volumes. */
const othersThan = Effect.fnUntraced(function*({ device }: Appliance, id: VolumeId) {
  const { disks, files } = yield* device.state
  return {
    disks: disks.filter(({ nqn }) => nqn !== nqnOf(id)),
    files: files.filter((file) => !file.directory && !file.path.includes(id))
      .map(({ lastModified: _, ...file }) => file)
  }
})

/** Carries the operation out; what it answers must be true, and nothing is done that was not asked for. */
const perform = Effect.fnUntraced(function*(appliance: Appliance, { operation, volume }: Story) {
  const { rds } = appliance
  const { directory, id } = specOf(volume)
  const before = yield* truthOf(appliance, id)
  switch (operation) {
    case "get": {
      assert.strictEqual(Option.isSome(yield* rds.get(id)), before.item !== undefined, "not found, or found")
      return
    }
    case "list": {
      const listed = (yield* rds.list).map(({ id }) => id)
      assert.sameMembers(listed, [specOf(0).id, specOf(1).id])
      return
    }
    case "create":
    case "create elsewhere": {
      yield* rds.create({ ...specOf(volume), directory: operation === "create" ? directory : elsewhere })
      const { images, item } = yield* truthOf(appliance, id)
      assert.isTrue(item?.exported, "created")
      assert.lengthOf(images, 1)
      return
    }
    case "grow": {
      const found = yield* rds.grow(id, grown)
      const { item } = yield* truthOf(appliance, id)
      assert.strictEqual(Option.isSome(found), before.item !== undefined, "not found, or found")
      assert.isTrue(item === undefined || item.fileSize >= grown, "grown")
      return
    }
    case "remove": {
      yield* rds.remove(id)
      assert.deepStrictEqual(yield* truthOf(appliance, id), { item: undefined, images: [], records: [] })
    }
  }
})

quietly("answers that are mangled", (it) => {
  it.effect.prop(
    "lead to no wrong \"not found\", no wrong OK and no deletion, and the next try succeeds",
    [Arbitrary.schema(Story)],
    ([story]) =>
      Effect.gen(function*() {
        const appliance = yield* prepare
        const { id } = specOf(story.volume)
        const [before, others] = [yield* truthOf(appliance, id), yield* othersThan(appliance, id)]
        appliance.mangles.push(...story.manglings.map((mangling) => mangled(mangling, story.operation === "list")))
        const result = yield* Effect.result(perform(appliance, story))
        appliance.mangles.length = 0
        if (result._tag === "Failure") assert.match(result.failure._tag, /^(Appliance|Pool)/)
        assert.deepStrictEqual(yield* othersThan(appliance, id), others)
        if (story.operation !== "remove") {
          const { images } = yield* truthOf(appliance, id)
          for (const { path, sizeBytes } of before.images) {
            assert.isTrue(
              images.some((image) => image.path === path && image.sizeBytes >= sizeBytes),
              "no image is lost or cut"
            )
          }
        }
        yield* perform(appliance, story)
      }).pipe(Effect.scoped, hurried),
    { arbitrary: { runs }, timeout: 20_000 + 1_000 * runs }
  )
})
