import { Console, Effect, Fiber, type PlatformError, Ref, type Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

/** The bundle that `npm run build` makes and that production runs. */
export const bundle = fileURLToPath(new URL("../../dist/rds-csi.js", import.meta.url))

/** Prints what the processes write, with stack traces of the sources: these cost them as much memory as all else does. */
const debug = process.env["DRIVER_LOG"] !== undefined
const debugFlags = debug ? ["--enable-source-maps"] : []

/** The tests' own processes have room for garbage, which makes them start sooner; what is measured has what production has. */
const startFlags = process.execArgv.filter((flag) => flag.startsWith("--min-semi-space-size="))

/** A running process of the driver. */
export interface DriverProcess {
  readonly pid: number
  /** Sends the signal and waits until the process has ended; its exit code, or none when the signal killed it. */
  stop(signal: "SIGTERM" | "SIGKILL"): Effect.Effect<number | undefined, PlatformError.PlatformError>
  /** Waits until the process ends by itself. */
  readonly exitCode: Effect.Effect<number, PlatformError.PlatformError>
  /** What it wrote to stdout and stderr so far. */
  readonly output: Effect.Effect<string>
  /** What of that went to stderr. */
  readonly errors: Effect.Effect<string>
}

/** Starts the bundle with these arguments; it is killed, with its children, when the scope closes. */
export const startDriver = Effect.fnUntraced(function*(
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.fn.Return<
  DriverProcess,
  PlatformError.PlatformError,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    ChildProcess.make(process.execPath, [...startFlags, ...debugFlags, bundle, ...args], {
      env: { LOG_FORMAT: "json", ...env },
      extendEnv: true,
      stdin: "ignore",
      forceKillAfter: "3 seconds"
    })
  )
  const output = yield* Ref.make("")
  const errors = yield* Ref.make("")
  const keep = <E>(stream: Stream.Stream<Uint8Array, E>, ...texts: ReadonlyArray<Ref.Ref<string>>) =>
    stream.pipe(
      Stream.decodeText(),
      Stream.runForEach(Effect.fnUntraced(function*(text) {
        for (const kept of texts) yield* Ref.update(kept, (before) => before + text)
        if (debug) yield* Console.error(text.trimEnd())
      }))
    )
  const reader = yield* Effect.all([keep(handle.stdout, output), keep(handle.stderr, output, errors)], {
    concurrency: 2
  }).pipe(Effect.forkScoped)
  const drained = Effect.ignore(Fiber.join(reader))
  return {
    pid: handle.pid,
    stop: Effect.fnUntraced(function*(signal) {
      yield* Effect.sync(() => process.kill(handle.pid, signal))
      const exit = yield* Effect.exit(handle.exitCode)
      yield* drained
      return exit._tag === "Success" ? exit.value : undefined
    }),
    exitCode: Effect.tap(handle.exitCode, drained),
    output: Ref.get(output),
    errors: Ref.get(errors)
  }
})
