import { Deferred, Effect, FiberSet, Semaphore } from "effect"
import type { Socket } from "node:net"
import ssh2, { type CipherAlgorithm, type Connection } from "ssh2"
import { Device } from "../device/Device.ts"
import { Power } from "../device/Power.ts"
import { Volatile } from "../device/Volatile.ts"
import { loginName, makeAuthenticator } from "./Authentication.ts"
import type { Client } from "./Client.ts"
import type { HostKey } from "./HostKeys.ts"
import { makeSessions } from "./Session.ts"
import { leaveGlobalRequestsUnanswered } from "./Unanswered.ts"

/** SSH software version that RouterOS gives. */
const ident = "ROSSSH"

/** Ciphers of RouterOS (RouterOS manual, SSH) that are still fit for use. */
const cipher: Array<CipherAlgorithm> = [
  "aes128-gcm@openssh.com",
  "aes256-gcm@openssh.com",
  "aes128-ctr",
  "aes192-ctr",
  "aes256-ctr"
]

/** Channels that are served at one time on one connection where the device is read as serving them all. */
const manyChannels = 1000

/** Serves a TCP connection until its fiber is interrupted: key exchange, login, and its sessions. */
export const makeConnections = Effect.gen(function*() {
  const device = yield* Device
  const memory = yield* Volatile
  const power = yield* Power
  const serveSession = yield* makeSessions
  const authenticator = yield* makeAuthenticator
  const channels = device.config.unsure.parallelChannels === "stall" ? 1 : manyChannels

  const logIn = Effect.fnUntraced(function*({ address, connection, drop, user }: Client) {
    // Power may have gone while the keys were exchanged.
    if (!(yield* power.isOn)) return yield* drop
    yield* memory.open({ number: connection, user, address, close: drop })
    yield* memory.log("system,info,account", `user ${user} logged in from ${address} via ssh`)
  })
  const logOut = Effect.fnUntraced(function*({ address, closed, connection, user }: Client) {
    yield* Deferred.succeed(closed, undefined)
    yield* memory.close(connection)
    yield* memory.log("system,info,account", `user ${user} logged out from ${address} via ssh`)
  })

  return Effect.fnUntraced(function*(socket: Socket, number: number, key: HostKey) {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const slots = yield* Semaphore.make(channels)
    const authenticate = authenticator(socket.remoteAddress ?? "")
    const closed = yield* Deferred.make<void>()
    let client: Client | undefined
    yield* Effect.addFinalizer(() => client === undefined ? Effect.void : logOut(client))

    const attach = (connection: Connection) => {
      leaveGlobalRequestsUnanswered(connection)
      let name = ""
      connection.on("authentication", (context) => {
        name = context.username
        run(authenticate(context))
      })
      connection.on("ready", () => {
        const drop = Effect.sync(() => void socket.resetAndDestroy())
        client = { connection: number, address: socket.remoteAddress ?? "", closed, drop, ...loginName(name) }
        run(logIn(client))
      })
      connection.on("session", (accept) => {
        // It waits unanswered, as its channel does on the device, until the one before it is closed.
        if (client !== undefined) run(slots.withPermit(serveSession(client, accept, run)))
      })
      // Its end is seen at the socket.
      connection.on("error", () => {})
    }

    new ssh2.Server({ hostKeys: [key.privateKey], ident, algorithms: { cipher } }, attach).injectSocket(socket)
    return yield* Effect.never
  }, Effect.scoped)
})
