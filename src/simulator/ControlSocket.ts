import { NodeStream } from "@effect/platform-node"
import { Duration, Effect, FileSystem, Option, Schema, Stream } from "effect"
import type { Socket } from "node:net"
import { parseTime } from "./faults/FaultRule.ts"
import { listen } from "./Listener.ts"
import type { DeviceView, Simulator } from "./Simulator.ts"
import { SimulatorError } from "./SimulatorError.ts"

/** What people and scripts may send, one JSON object a line; as `--help` shows it. */
export const controlHelp = `One JSON object a line in, one a line out, {"ok":true,…} or {"ok":false,"error":"…"}:
  {"op":"add-fault","rule":"cut=after match=/disk/add"}   add a fault rule, answers its number
  {"op":"faults"}                                         the rules that may still apply
  {"op":"clear-faults"}                                   remove every rule
  {"op":"reboot","down":"3s"}                             restart the device (default 1s away)
  {"op":"set-pool","mountPoint":"storage-pool","mounted":false,"state":"degraded"}
                                                          what an operator or a failing drive would do to a pool
  {"op":"run","line":"/disk/print"}                       run a command line on the console with every policy
  {"op":"state"}                                          pools, disks, files, subvolumes, scripts and jobs, exports as
                                                          an initiator would find them, uptime in seconds
  {"op":"export","nqn":"nqn.…"}                           for an initiator without a kernel: size of the disk, what was written
                                                          from its beginning on, and a directory for its files
  {"op":"write","nqn":"nqn.…","content":"…"}              writes to that disk, from its beginning on
  {"op":"execs"}                                          every exec line that was seen and what became of it
  {"op":"reset-execs"}                                    forget them`

type Op = (simulator: Simulator, input: unknown) => Effect.Effect<object, { readonly message: string }>

const op = <A extends object>(
  input: Schema.ConstraintDecoder<A>,
  run: (simulator: Simulator, input: A) => Effect.Effect<object, { readonly message: string }>
): Op =>
(simulator, raw) => Effect.flatMap(Schema.decodeUnknownEffect(input)(raw), (decoded) => run(simulator, decoded))

const nothing = Schema.Struct({})

const exportedDisk = (device: DeviceView, nqn: string) =>
  Effect.flatMap(
    device.exportedDisk(nqn),
    Option.match({
      onNone: () => Effect.fail(new SimulatorError({ message: `nqn: ${nqn} is not exported` })),
      onSome: Effect.succeed
    })
  )

const pick = ({ disks, exports, files, jobs, pools, scripts, subvolumes, uptime }: DeviceView) => ({
  pools,
  disks,
  files,
  subvolumes,
  scripts,
  jobs,
  exports,
  uptime
})

const ops: Readonly<Record<string, Op>> = {
  "add-fault": op(
    Schema.Struct({ rule: Schema.String }),
    ({ faults }, { rule }) => Effect.map(faults.add(rule), (number) => ({ number }))
  ),
  faults: op(nothing, ({ faults }) =>
    Effect.map(faults.list, (list) => ({
      faults: list.map(({ fired, number, rule, seen }) => ({ number, rule: rule.text, seen, fired }))
    }))),
  "clear-faults": op(nothing, ({ faults }) => Effect.as(faults.clear, {})),
  reboot: op(Schema.Struct({ down: Schema.optionalKey(Schema.String) }), ({ reboot }, { down = "1s" }) => {
    const time = parseTime(down)
    return time === undefined
      ? Effect.fail(new SimulatorError({ message: `down: ${down}; allowed: a number and ms, s or m, as in 3s` }))
      : Effect.as(reboot(time), {})
  }),
  "set-pool": op(
    Schema.Struct({
      mountPoint: Schema.String,
      mounted: Schema.optionalKey(Schema.Boolean),
      state: Schema.optionalKey(Schema.String)
    }),
    Effect.fnUntraced(function*({ device }, { mountPoint, ...change }) {
      const pools = yield* device.pools
      const known = pools.map((pool) => pool.mountPoint)
      if (!known.includes(mountPoint)) {
        return yield* new SimulatorError({ message: `mountPoint: ${mountPoint}; allowed: ${known.join(", ")}` })
      }
      yield* device.setPool(mountPoint, change)
      return {}
    })
  ),
  run: op(
    Schema.Struct({ line: Schema.String }),
    ({ run }, { line }) => Effect.map(run(line), (output) => ({ output }))
  ),
  state: op(nothing, ({ device }) =>
    Effect.map(
      Effect.all(pick(device)),
      (state) => ({ ...state, uptime: Math.floor(Duration.toSeconds(state.uptime)) })
    )),
  export: op(Schema.Struct({ nqn: Schema.String }), ({ device }, { nqn }) => exportedDisk(device, nqn)),
  write: op(
    Schema.Struct({ nqn: Schema.String, content: Schema.String }),
    Effect.fnUntraced(function*({ device }, { content, nqn }) {
      const { path } = yield* exportedDisk(device, nqn)
      yield* device.writeImage(path, content)
      return {}
    })
  ),
  execs: op(nothing, ({ execs }) => Effect.map(execs, (records) => ({ execs: records }))),
  "reset-execs": op(nothing, ({ resetExecs }) => Effect.as(resetExecs, {}))
}

const Line = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))

const answer = Effect.fnUntraced(function*(simulator: Simulator, line: string) {
  const { op: name, ...input } = yield* Schema.decodeEffect(Line)(line)
  const run = typeof name === "string" ? ops[name] : undefined
  if (run === undefined) {
    const allowed = Object.keys(ops).join(", ")
    return yield* new SimulatorError({ message: `op: ${JSON.stringify(name)}; allowed: ${allowed}` })
  }
  return { ok: true, ...yield* run(simulator, input) }
}, Effect.catch((error) => Effect.succeed({ ok: false, error: error.message })))

const toJson = (value: object) =>
  JSON.stringify(value, (_, item: unknown) => typeof item === "bigint" ? item.toString() : item)

const serve = (simulator: Simulator) => (socket: Socket) =>
  NodeStream.fromReadable<Uint8Array>({ evaluate: () => socket }).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect((line) => answer(simulator, line)),
    Stream.runForEach((reply) => Effect.sync(() => void socket.write(`${toJson(reply)}\n`))),
    Effect.ignore
  )

/** Serves the control socket of a device until the scope closes. The socket is its owner's only; one left behind is replaced. */
export const startControlSocket = Effect.fnUntraced(function*(simulator: Simulator, path: string) {
  const fs = yield* FileSystem.FileSystem
  const failed = (error: { readonly message: string }) =>
    new SimulatorError({ message: `control socket ${path}: ${error.message}` })
  const left = yield* Effect.option(fs.stat(path))
  if (left._tag === "Some" && left.value.type === "Socket") yield* Effect.mapError(fs.remove(path), failed)
  yield* listen({ path }, serve(simulator))
  yield* Effect.mapError(fs.chmod(path, 0o600), failed)
})
