import { Clock, Context, Duration, Effect, type Fiber, Layer, Random, References, Scheduler, Scope } from "effect"
import type { Fencing } from "../../../src/attachment/Fencing.ts"
import { Reconciler } from "../../../src/attachment/Reconciler.ts"
import { Broadcast, type ClusterClient } from "./ClusterClient.ts"
import { controllerLayer } from "./Controller.ts"
import { type Dice, Executor, SkewedClock, type Timeline } from "./Timeline.ts"

export const gracePeriod = Duration.seconds(30)
const interval = Duration.seconds(50)

/** One process of the controller. */
export class Replica {
  readonly client: ClusterClient
  readonly clock: SkewedClock
  readonly executor: Executor
  private readonly timeline: Timeline
  private readonly references: Context.Context<never>
  private leads = false
  private readonly leadership = new Broadcast(() => [this.leads])
  /** None until the process has started. */
  private services: Context.Context<Fencing | Reconciler> | undefined

  constructor(client: ClusterClient, timeline: Timeline, dice: Dice) {
    this.client = client
    this.timeline = timeline
    this.executor = new Executor(dice)
    this.clock = new SkewedClock(timeline, this.executor)
    this.references = Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this.executor),
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, { nextIntUnsafe: () => dice.roll(2 ** 31), nextDoubleUnsafe: () => dice.next() }),
      Context.add(References.MinimumLogLevel, "None")
    )
    this.run(Effect.scoped(Effect.gen({ self: this }, function*() {
      this.services = yield* Layer.buildWithScope(
        controllerLayer(this.client, this.leadership.stream, { gracePeriod, interval }),
        yield* Scope.Scope
      )
      return yield* Effect.never
    })))
  }

  /** Stops at once, as after `kill -9`. */
  kill(): void {
    this.executor.kill()
    this.timeline.forget(({ executor }) => executor === this.executor)
  }

  /** Sets whether this replica leads. */
  lead(leads: boolean): void {
    if (this.leads === leads) return
    this.leads = leads
    this.leadership.send(leads)
  }

  /** A call of the orchestrator; undefined when nobody listens yet. */
  call<A, E>(effect: Effect.Effect<A, E, Fencing>): Fiber.Fiber<A, E> | undefined {
    return this.services === undefined ? undefined : this.run(Effect.provide(effect, this.services))
  }

  /** Whether it serves publishes. */
  get isReady(): boolean {
    return this.services !== undefined && Effect.runSync(Context.get(this.services, Reconciler).isReady)
  }

  private run<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.references)(Effect.andThen(Effect.yieldNow, effect))
  }
}
