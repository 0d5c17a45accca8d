import { type Clock, Duration, Effect, type Fiber, type Scheduler } from "effect"

/** Numbers that depend on nothing but the seed (mulberry32). */
export class Dice {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** From 0 up to, and not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0 to n - 1. */
  roll(n: number): number {
    return Math.floor(this.next() * n)
  }
}

interface Sleeper {
  readonly wakeAt: number
  readonly executor: Executor
  readonly wake: () => void
}

/** The time that all simulated processes share. It passes only when it is told to. */
export class Timeline {
  /** Milliseconds since the epoch. */
  now = 1_800_000_000_000
  private sleepers: ReadonlyArray<Sleeper> = []

  sleep(sleeper: Sleeper): void {
    const at = this.sleepers.findLastIndex(({ wakeAt }) => wakeAt <= sleeper.wakeAt) + 1
    this.sleepers = this.sleepers.toSpliced(at, 0, sleeper)
  }

  forget(isForgotten: (sleeper: Sleeper) => boolean): void {
    this.sleepers = this.sleepers.filter((sleeper) => !isForgotten(sleeper))
  }

  /** Goes to the next moment, up to `until`, at which somebody wakes; false when there is none. */
  wakeNext(until: number): boolean {
    const [first] = this.sleepers
    if (first === undefined || first.wakeAt > until) {
      this.now = Math.max(this.now, until)
      return false
    }
    this.sleepers = this.sleepers.slice(1)
    this.now = Math.max(this.now, first.wakeAt)
    first.wake()
    return true
  }
}

/**
 * Runs the fibers of one simulated process, one step at a time, in an order drawn from the dice. Killing it is what `kill -9`
 * is: nothing runs any more, no finalizer either.
 */
export class Executor implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly dice: Dice
  private tasks: Array<() => void> = []
  private isDead = false
  /** Operations after which the running fiber has to let others go first. */
  private patience = 100

  constructor(dice: Dice) {
    this.dice = dice
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (fiber.currentOpCount < this.patience) return false
    this.patience = 1 + this.dice.roll(100)
    return true
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return { scheduleTask: (task) => this.schedule(task), flush: () => undefined }
  }

  schedule(task: () => void): void {
    if (!this.isDead) this.tasks.push(task)
  }

  get isIdle(): boolean {
    return this.tasks.length === 0
  }

  step(): void {
    const [task] = this.tasks.splice(this.dice.roll(this.tasks.length), 1)
    task?.()
  }

  kill(): void {
    this.isDead = true
    this.tasks = []
  }
}

/** A clock of one process: its wall clock may be wrong, its monotonic clock is not. */
export class SkewedClock implements Clock.Clock {
  /** Milliseconds that the wall clock is ahead. */
  skew = 0
  private readonly timeline: Timeline
  private readonly executor: Executor

  constructor(timeline: Timeline, executor: Executor) {
    this.timeline = timeline
    this.executor = executor
  }

  currentTimeMillisUnsafe(): number {
    return this.timeline.now + this.skew
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.currentTimeMillisUnsafe()) * 1_000_000n
  }
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(this.timeline.now) * 1_000_000n
  }
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const { executor, timeline } = this
    const millis = Duration.toMillis(duration)
    if (millis <= 0) return Effect.yieldNow
    if (!Number.isFinite(millis)) return Effect.never
    return Effect.callback((resume) => {
      const wake = () => executor.schedule(() => resume(Effect.void))
      timeline.sleep({ wakeAt: timeline.now + Math.ceil(millis), executor, wake })
      return Effect.sync(() => timeline.forget((sleeper) => sleeper.wake === wake))
    })
  }
}
