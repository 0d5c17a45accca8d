import { Effect, Metric, Option, Ref, type Scope } from "effect"
import type { StageRecord } from "../../../mount/StageRecord.ts"
import { nvmeConnections, nvmeConnectionsActive, volumeProblems } from "../../../observability/Metrics.ts"
import type { VolumeId } from "../../../volume/VolumeId.ts"
import type { ConnectionState, Problem } from "./Health.ts"

/** A watched volume: how it was staged, and what was last reported of it. Times are milliseconds of the Clock. */
export interface Watched {
  readonly record: StageRecord
  /** The staging path as the mount table writes it: links on the way to it are resolved there. */
  readonly mountPath: string
  readonly connection: ConnectionState
  /** When the connection was first seen down; 0 while it is live. */
  readonly downSince: number
  readonly problem: Option.Option<Problem>
  /** Whether it was reported that the problem could not be repaired. */
  readonly repairFailed: boolean
  /** Why the last attempt to connect it again failed. */
  readonly reconnectError: Option.Option<string>
  /** When it is looked at closely even if nothing seems to have changed. */
  readonly recheckAt: number
}

type Entries = ReadonlyMap<VolumeId, Watched>

/** The watched volumes of the node. The gauges are what is on it. */
export interface Board {
  /** Adds a volume as well as can be, or replaces the record of one that is there. */
  add(record: StageRecord, recheckAt: number): Effect.Effect<void>
  get(id: VolumeId): Effect.Effect<Option.Option<Watched>>
  /** Changes a volume that is there. */
  change(id: VolumeId, change: Partial<Watched>): Effect.Effect<void>
  remove(id: VolumeId): Effect.Effect<void>
}

/** An empty board. When the scope closes, nothing is watched any more as far as the gauges say. */
export const makeBoard: Effect.Effect<Board, never, Scope.Scope> = Effect.gen(function*() {
  const entries = yield* Effect.acquireRelease(Ref.make<Entries>(new Map()), () => show(new Map()))
  const update = (change: (all: Entries) => Entries) => Effect.flatMap(Ref.updateAndGet(entries, change), show)
  yield* show(new Map())
  return {
    add: (record, recheckAt) =>
      update((all) => {
        const before = all.get(record.volumeId)
        return new Map(all).set(
          record.volumeId,
          before === undefined ? fresh(record, recheckAt) : { ...before, record }
        )
      }),
    get: (id) => Effect.map(Ref.get(entries), (all) => Option.fromUndefinedOr(all.get(id))),
    change: (id, change) =>
      update((all) => {
        const before = all.get(id)
        return before === undefined ? all : new Map(all).set(id, { ...before, ...change })
      }),
    remove: (id) => update((all) => new Map([...all].filter(([other]) => other !== id)))
  }
})

const fresh = (record: StageRecord, recheckAt: number): Watched => ({
  record,
  mountPath: record.stagingPath,
  connection: "live",
  downSince: 0,
  problem: Option.none(),
  repairFailed: false,
  reconnectError: Option.none(),
  recheckAt
})

const states: ReadonlyArray<ConnectionState> = ["live", "connecting", "gone"]
const problems: ReadonlyArray<Problem["kind"]> = ["stale", "not_mounted", "no_device", "read_only", "failing"]

const show = Effect.fnUntraced(function*(entries: Entries) {
  const all = [...entries.values()]
  const inState = (state: ConnectionState) => all.filter(({ connection }) => connection === state).length
  yield* Metric.update(nvmeConnectionsActive, inState("live"))
  for (const state of states) yield* Metric.update(Metric.withAttributes(nvmeConnections, { state }), inState(state))
  for (const kind of problems) {
    const having = all.filter(({ problem }) => Option.exists(problem, (found) => found.kind === kind))
    yield* Metric.update(Metric.withAttributes(volumeProblems, { problem: kind }), having.length)
  }
})
