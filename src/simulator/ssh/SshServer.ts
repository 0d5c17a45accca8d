import { Effect } from "effect"
import type { Socket } from "node:net"
import { Device } from "../device/Device.ts"
import { Power } from "../device/Power.ts"
import { Faults } from "../faults/Faults.ts"
import { listen } from "../Listener.ts"
import { makeConnections } from "./Connection.ts"
import { hostKey, newHostKey } from "./HostKeys.ts"

/** The device's SSH service, until the scope closes. Answers its port and its host key. */
export const startSshServer = Effect.gen(function*() {
  const device = yield* Device
  const power = yield* Power
  const faults = yield* Faults
  const { config } = device
  const key = yield* hostKey(config)
  const serve = yield* makeConnections
  let connections = 0
  let open = 0

  const serveSocket = Effect.fnUntraced(function*(socket: Socket) {
    // A device that is off does not answer at all; a reset is its nearest kin on a port that stays ours.
    if (!(yield* power.isOn)) return yield* reset(socket)
    const { maxSessions } = yield* device.state
    if (open >= maxSessions) return yield* config.unsure.tooManySessions === "hang" ? Effect.never : reset(socket)
    connections += 1
    const offered = (yield* faults.offersNewHostKey) ? yield* newHostKey : key
    open += 1
    return yield* Effect.ensuring(serve(socket, connections, offered), Effect.sync(() => open -= 1))
  })

  const port = yield* listen({ host: config.host, port: config.port }, serveSocket)
  return { port, hostKey: key }
})

const reset = (socket: Socket) => Effect.sync(() => void socket.resetAndDestroy())
