import { Effect, Exit, Latch, Option, Order, Request, RequestResolver, Result } from "effect"
import { Nqn } from "../volume/Nqn.ts"
import { VolumeId } from "../volume/VolumeId.ts"
import { type DiskRow, DiskRows } from "./Appliance.ts"
import type { RdsError } from "./Errors.ts"
import { read, report } from "./Facts.ts"
import type { RdsVolume } from "./Model.ts"
import { join, ros, type RosScript, startingWith } from "./RouterOs.ts"
import { look, type Run } from "./Run.ts"
import { disksWhere, finderIn, onlyAsked, withNqnOf } from "./Volumes.ts"

class GetVolume
  extends Request.TaggedClass("GetVolume")<{ readonly id: VolumeId }, Option.Option<RdsVolume>, RdsError, never>
{}

/** Beyond this many, one listing is shorter than the list of names to look for. */
const maxExact = 8

const volumePrefix = `${Nqn.prefix}pvc-`
const anyVolume = ros`type=file and nvme-tcp-server-nqn~${startingWith(volumePrefix)}`

/** Lookups that are on their way at a time; whoever asks meanwhile is answered by the next one. */
const maxUnderWay = 2

/**
 * The volume with that id. One call alone goes out at once; calls that come together, from any fibers, are answered
 * from one script, and so are those that come while the appliance is busy with earlier ones.
 */
export const lookUpVolume = (run: Run) => {
  const free = Latch.makeUnsafe(true)
  let underWay = 0
  const begin = Effect.sync(() => ++underWay === maxUnderWay && free.closeUnsafe())
  const end = Effect.sync(() => --underWay < maxUnderWay && free.openUnsafe())

  const answer = Effect.fnUntraced(function*(entries: ReadonlyArray<Request.Entry<GetVolume>>) {
    const ids = [...new Set(entries.map(({ request }) => request.id))]
    const rows = ids.length <= maxExact ? yield* rowsOf(run, ids) : yield* everyRow(run, ids.filter(isLoose))
    const find = finderIn(rows)
    for (const { completeUnsafe, request } of entries) {
      completeUnsafe(Result.match(find(request.id), { onFailure: Exit.fail, onSuccess: Exit.succeed }))
    }
  })
  const resolver = RequestResolver.make<GetVolume>((entries) =>
    Effect.acquireUseRelease(begin, () => answer(entries), () => end)
  ).pipe(RequestResolver.setDelayEffect(Effect.andThen(Effect.yieldNow, free.await)))

  return Effect.fn("RdsClient.get")((id: VolumeId) => Effect.request(new GetVolume({ id }), resolver))
}

/**
 * Every volume of this driver, by id. Disks of others, snapshots and exports with a name of their own are not volumes;
 * a volume that cannot be read fails the whole list, because a missing one would be taken for deleted.
 */
export const listVolumes = Effect.fn("RdsClient.list")(function*(run: Run) {
  const rows = yield* everyRow(run, [])
  const ids = new Set(rows.flatMap((row) => Option.toArray(volumeOf(row["nvme-tcp-server-nqn"] ?? ""))))
  const volumes = yield* Effect.fromResult(Result.all([...ids].map(finderIn(rows))))
  return volumes.flatMap(Option.toArray).sort(Order.mapInput(Order.String, ({ id }: RdsVolume) => id))
})

const nqnOf = (row: DiskRow) => row["nvme-tcp-server-nqn"] ?? ""

/** What is exported under the NQNs of these volumes. */
const rowsOf = Effect.fnUntraced(function*(run: Run, ids: ReadonlyArray<VolumeId>) {
  const nqns = ids.map((id): string => Nqn.ofVolume(id))
  return yield* onlyAsked(yield* rowsWhere(run, anyOf(ids)), (row) => nqns.includes(nqnOf(row)))
})

/** Every file that is exported as a volume, and what is exported under the NQNs of these. */
const everyRow = Effect.fnUntraced(function*(run: Run, ids: ReadonlyArray<VolumeId>) {
  const nqns = ids.map((id): string => Nqn.ofVolume(id))
  const rows = yield* rowsWhere(run, anyOf(ids, ros`(${anyVolume})`))
  return yield* onlyAsked(
    rows,
    (row) => nqns.includes(nqnOf(row)) || row.type === "file" && nqnOf(row).startsWith(volumePrefix)
  )
})

const rowsWhere = Effect.fnUntraced(function*(run: Run, condition: RosScript) {
  const facts = yield* look(run, report("disks", disksWhere(condition)), "list its disks")
  return yield* read(facts, "disks", DiskRows)
})

const anyOf = (ids: ReadonlyArray<VolumeId>, ...others: ReadonlyArray<RosScript>) =>
  join([...others, ...ids.map(withNqnOf)], ros`or`)

const isLoose = (id: VolumeId) => !id.startsWith("pvc-")

/** The slot says nothing: RouterOS may have cut the Go driver's at 32 characters. */
const volumeOf = (nqn: string): Option.Option<VolumeId> =>
  Nqn.isOurs(nqn) ? VolumeId.parse(nqn.slice(Nqn.prefix.length)) : Option.none()
