import { Effect, Option, Schema } from "effect"
import type { RemoteExports } from "../nvme/memory/MemoryExports.ts"
import { control } from "../simulator/ControlClient.ts"

const Disk = Schema.Struct({
  sizeBytes: Schema.BigIntFromString,
  content: Schema.String,
  directory: Schema.String
})

/** The exports of the simulator behind this control socket: what NVMe/TCP would find, read and write. A simulator that is away has none. */
export const simulatedExports = (socket: string): RemoteExports => ({
  find: Effect.fnUntraced(function*(nqn) {
    const disk = yield* Schema.decodeUnknownEffect(Disk)(yield* control(socket, { op: "export", nqn }))
    return Option.some({ ...disk, directory: Option.some(disk.directory) })
  }, Effect.orElseSucceed(() => Option.none())),
  write: (nqn, content) => Effect.ignore(control(socket, { op: "write", nqn, content }))
})
