import { Effect, Option, Schema } from "effect"
import { control } from "../simulator/ControlClient.ts"
import type { Nqn } from "../volume/Nqn.ts"

const State = Schema.Struct({
  exports: Schema.Array(Schema.Struct({ nqn: Schema.String, sizeBytes: Schema.BigIntFromString }))
})

/**
 * Whether the simulator behind this control socket exports the NQN now, and with how many bytes: what an NVMe/TCP connect
 * would find out. A simulator that is away exports nothing.
 */
export const simulatedExport = (socket: string) =>
  Effect.fnUntraced(function*(nqn: Nqn) {
    const { exports } = yield* Schema.decodeUnknownEffect(State)(yield* control(socket, { op: "state" }))
    return Option.fromUndefinedOr(exports.find((subsystem) => subsystem.nqn === nqn)?.sizeBytes)
  }, Effect.orElseSucceed(() => Option.none<bigint>()))
