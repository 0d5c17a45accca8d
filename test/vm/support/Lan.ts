import { Effect, type Scope } from "effect"
import { createServer, type Socket } from "node:net"

/**
 * An Ethernet switch for virtual machines: each has a unix socket of its own to plug into (QEMU's `-netdev stream`: frames
 * behind their length in four bytes). A cut wire loses frames silently, as a switch on the way would; the ports stay up.
 */
export interface Lan {
  /** The socket for a machine, by its name. */
  socketOf(name: string): Effect.Effect<string, never, Scope.Scope>
  /** Loses every frame from and to that machine, or carries them again. */
  cut(name: string, isCut: boolean): Effect.Effect<void>
  /** Loses every frame from and to that TCP port, as a firewall does that answers nothing, or carries them again. */
  closePort(port: number, isClosed: boolean): Effect.Effect<void>
}

interface Wire {
  readonly name: string
  readonly socket: Socket
}

/** An empty switch with its sockets in `directory`. */
export const makeLan = (directory: string): Lan => {
  const wires = new Set<Wire>()
  const cut = new Set<string>()
  const closed = new Set<number>()
  const places = new Map<string, Wire>()

  const carry = (from: Wire, frame: Buffer) => {
    const target = places.get(frame.toString("hex", 4, 10))
    places.set(frame.toString("hex", 10, 16), from)
    if (tcpPorts(frame).some((port) => closed.has(port))) return
    for (const wire of target === undefined ? wires : [target]) {
      if (wire !== from && !cut.has(wire.name) && !cut.has(from.name)) wire.socket.write(frame)
    }
  }

  const plug = (name: string) => (socket: Socket) => {
    const wire = { name, socket }
    wires.add(wire)
    const unplug = () => {
      wires.delete(wire)
      for (const [place, other] of places) if (other === wire) places.delete(place)
    }
    let rest: Buffer = Buffer.alloc(0)
    socket.on("data", (data: Buffer) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data])
      for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
        carry(wire, rest.subarray(0, end))
        rest = rest.subarray(end)
      }
    }).on("error", unplug).on("close", unplug)
  }

  return {
    socketOf: Effect.fnUntraced(function*(name) {
      const path = `${directory}/lan-${name}.sock`
      yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer(plug(name))
          server.listen(path, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      return path
    }),
    cut: (name, isCut) => Effect.sync(() => void (isCut ? cut.add(name) : cut.delete(name))),
    closePort: (port, isClosed) => Effect.sync(() => void (isClosed ? closed.add(port) : closed.delete(port)))
  }
}

/** Source and destination of a TCP segment in an IPv4 packet, the first fragment at least; nothing of other frames. */
const tcpPorts = (frame: Buffer): ReadonlyArray<number> => {
  const packet = frame.subarray(4 + 14)
  if (packet.length < 24 || frame.readUInt16BE(4 + 12) !== 0x0800 || packet[9] !== 6) return []
  const segment = (packet.readUInt8(0) & 0x0f) * 4
  return segment + 4 > packet.length ? [] : [packet.readUInt16BE(segment), packet.readUInt16BE(segment + 2)]
}

/** Bytes of the first frame with its length; of a length that is not there yet: endless. */
const frameEnd = (bytes: Buffer) => bytes.length < 4 ? Infinity : 4 + bytes.readUInt32BE(0)
