import { Clock, Context, Effect, Layer, Option, Ref, Semaphore } from "effect"
import { type Export, Exports } from "../Exports.ts"
import type { RosError } from "../menu/Menu.ts"
import type { SimulatorConfig } from "../SimulatorConfig.ts"
import { SimulatorError } from "../SimulatorError.ts"
import { CurrentConditions } from "./Conditions.ts"
import { DeviceStore, type Transfer } from "./DeviceStore.ts"
import { exportChanges, servedExports } from "./ExportChanges.ts"
import { initialState } from "./InitialState.ts"
import type { DeviceState } from "./Model.ts"

/**
 * A change of the configuration: its answer, the configuration after it, and where the bytes of new files come from; or the
 * error the command ends with.
 */
export type Change<A> = (
  state: DeviceState,
  now: number
) => Effect.Effect<readonly [answer: A, after: DeviceState, transfers?: ReadonlyArray<Transfer>], RosError>

/** The device's configuration. Changes run one at a time and are durable, and exported, before they are answered. */
export class Device extends Context.Service<Device, {
  readonly config: SimulatorConfig
  readonly state: Effect.Effect<DeviceState>
  /** One change, with the conditions of the command at hand before and after it. */
  change<A>(change: Change<A>): Effect.Effect<A, RosError>
  /** What an NVMe/TCP initiator would find now. */
  readonly exports: Effect.Effect<ReadonlyArray<Export>>
  /** Ends all exports, as losing power does. */
  readonly halt: Effect.Effect<void>
  /** Exports again what the configuration says. */
  readonly boot: Effect.Effect<void>
}>()("rds-csi/simulator/device/Device") {
  /** The device an earlier run left in the store, or a new one as `config` says. Version, packages and users are `config`'s. */
  static readonly layer = (config: SimulatorConfig): Layer.Layer<Device, SimulatorError, DeviceStore | Exports> =>
    Layer.effect(
      Device,
      Effect.gen(function*() {
        const store = yield* DeviceStore
        const exports = yield* Exports
        const lock = yield* Semaphore.make(1)
        const now = yield* Clock.currentTimeMillis
        const found = yield* store.load
        const start = initialState(config, now, Option.getOrUndefined(found))
        yield* store.commit(Option.getOrUndefined(found), start, [])
        const ref = yield* Ref.make(start)

        let isOn = false
        const plan = (before: DeviceState | undefined, after: DeviceState | undefined) =>
          exportChanges(exports, store, config.version, before, after)

        const commit = Effect.fnUntraced(
          function*<A>(change: Change<A>) {
            const before = yield* Ref.get(ref)
            const [answer, after, transfers = []] = yield* change(before, yield* Clock.currentTimeMillis)
            const { close, open } = isOn ? plan(before, after) : plan(undefined, undefined)
            yield* close
            yield* store.commit(before, after, transfers)
            yield* Ref.set(ref, after)
            yield* open
            return answer
          },
          Effect.uninterruptible,
          lock.withPermit
        )

        const change = Effect.fnUntraced(function*<A>(change: Change<A>) {
          const conditions = yield* CurrentConditions
          yield* conditions.beforeChange
          const answer = yield* commit(change)
          yield* conditions.afterChange
          return answer
        })

        const served = Effect.map(Ref.get(ref), (state) => isOn ? servedExports(state, config.version, store) : [])
        const halt = lock.withPermit(Effect.gen(function*() {
          isOn = false
          yield* Effect.orDie(plan(yield* Ref.get(ref), undefined).close)
        }))
        const powerOn = lock.withPermit(Effect.gen(function*() {
          isOn = true
          yield* plan(undefined, yield* Ref.get(ref)).open
        }))
        const boot = Effect.orDie(powerOn)
        yield* Effect.acquireRelease(Effect.tapError(powerOn, () => halt), () => halt).pipe(
          Effect.mapError(({ message }) => new SimulatorError({ message }))
        )

        return Device.of({ config, state: Ref.get(ref), change, exports: served, halt, boot })
      })
    )
}
