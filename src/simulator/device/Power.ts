import { Context, Deferred, type Duration, Effect, type Fiber, FiberSet, Layer, Scope } from "effect"
import { Device } from "./Device.ts"
import { Volatile } from "./Volatile.ts"

/** Whether the device is on. Going down ends scripts, connections and exports; the configuration stays. */
export class Power extends Context.Service<Power, {
  readonly isOn: Effect.Effect<boolean>
  /** Runs a script until it ends or the device goes down, whoever started it. */
  run(script: Effect.Effect<void>): Effect.Effect<Fiber.Fiber<void>>
  /** Goes down now, answers when it is down, and comes back by itself after that time. Does nothing while it is down. */
  reboot(downFor: Duration.Input): Effect.Effect<void>
}>()("rds-csi/simulator/device/Power") {
  static readonly layer = Layer.effect(
    Power,
    Effect.gen(function*() {
      const device = yield* Device
      const memory = yield* Volatile
      const scope = yield* Scope.Scope
      const scripts = yield* FiberSet.make<void>()
      let on = true

      const goDown = Effect.gen(function*() {
        const logins = yield* memory.logins
        yield* Effect.forEach(logins, (login) => login.close, { discard: true })
        yield* FiberSet.clear(scripts)
        yield* device.halt
      })
      const comeUp = Effect.gen(function*() {
        yield* memory.clear
        yield* device.boot
        on = true
      })

      return Power.of({
        isOn: Effect.sync(() => on),
        run: (script) => FiberSet.run(scripts, script),
        // In the device's own scope: the script that asked for it is among those that end.
        reboot: Effect.fnUntraced(function*(downFor) {
          if (!on) return
          on = false
          const isDown = yield* Deferred.make<void>()
          yield* goDown.pipe(
            Effect.andThen(Deferred.succeed(isDown, undefined)),
            Effect.andThen(Effect.sleep(downFor)),
            Effect.andThen(comeUp),
            Effect.forkIn(scope)
          )
          yield* Deferred.await(isDown)
        })
      })
    })
  )
}
