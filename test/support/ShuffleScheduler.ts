import { Effect, type Fiber, Scheduler } from "effect"

/**
 * Runs ready fibers in an order drawn from `seed` and preempts each after 1 to 4 operations, so that interleavings show
 * that the default scheduler never takes; the same seed replays them.
 */
class ShuffleScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly tasks: Array<() => void> = []
  private armed = false
  private state: number

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0 || 1
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>) {
    return fiber.currentOpCount >= 1 + this.draw(4)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task) => {
        this.tasks.push(task)
        this.arm()
      },
      flush: () => this.drain()
    }
  }

  /** xorshift32: a number from 0 to n - 1. */
  private draw(n: number) {
    let x = this.state
    x = (x ^ (x << 13)) >>> 0
    x = (x ^ (x >>> 17)) >>> 0
    x = (x ^ (x << 5)) >>> 0
    this.state = x
    return x % n
  }

  private arm() {
    if (this.armed) return
    this.armed = true
    setImmediate(() => {
      this.armed = false
      this.drain()
    })
  }

  private drain() {
    while (this.tasks.length > 0) {
      for (const task of this.tasks.splice(this.draw(this.tasks.length), 1)) task()
    }
  }
}

/** Runs the effect, and every fiber it forks, under a scheduler shuffled by `seed`. */
export const shuffled = (seed: number) => Effect.provideService(Scheduler.Scheduler, new ShuffleScheduler(seed))
