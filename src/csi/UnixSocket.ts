import { Effect, FileSystem, Option, Schema, type Scope } from "effect"
import * as net from "node:net"
import * as nodePath from "node:path"

/** The socket cannot be taken; `message` names the path and the reason. */
export class SocketUnavailable extends Schema.TaggedError<SocketUnavailable>()("SocketUnavailable", {
  message: Schema.String
}) {}

/** `sockaddr_un.sun_path` without its terminating NUL (unix(7)). */
const maxPathBytes = 107
/** A process that listens accepts at once; the kernel does it on its behalf. */
const connectTimeout = "1 second"

/**
 * Makes a listening socket appear at `path`, and removes it when the scope closes.
 *
 * `bind` listens at the path that it is given, in a private directory beside `path`. From there the socket is moved to
 * `path` in one step, once its mode is 0600: whoever may connect may command the driver, so there must be no moment at which
 * others can. The parent directory is made if it is missing. A socket that a dead process left is replaced; one that
 * answers, and anything that is not a socket, is left alone and fails.
 */
export const listenUnix = <E>(
  path: string,
  bind: (path: string) => Effect.Effect<void, E>
): Effect.Effect<void, E | SocketUnavailable, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(nodePath.dirname(path), { recursive: true, mode: 0o750 }).pipe(
      Effect.mapError((error) => unavailable(path, error.message))
    )
    yield* checkFree(path)
    yield* Effect.scoped(bindPrivately(path, bind))
    const identity = yield* socketIdentity(path)
    yield* Effect.addFinalizer(() => removeSocket(path, identity))
  })

const checkFree = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.stat(path).pipe(
    Effect.asSome,
    Effect.catchReason("PlatformError", "NotFound", () => Effect.succeedNone),
    Effect.mapError((error) => unavailable(path, error.message))
  )
  if (Option.isNone(info)) return
  if (info.value.type !== "Socket") return yield* unavailable(path, "there is something else than a socket")
  if (yield* answers(path)) return yield* unavailable(path, "another process is listening on it")
  yield* Effect.logInfo(`replacing the socket ${path}, nobody listens on it`)
})

/** Whether a process listens. Only a refused connection proves that none does; anything else counts as alive. */
const answers = (path: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = net.connect({ path })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", (error) => resume(Effect.succeed(!("code" in error) || error.code !== "ECONNREFUSED")))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: connectTimeout, orElse: () => Effect.succeed(true) }))

const bindPrivately = Effect.fnUntraced(
  function*<E>(path: string, bind: (path: string) => Effect.Effect<void, E>) {
    const fs = yield* FileSystem.FileSystem
    const failed = Effect.mapError((error: { readonly message: string }) => unavailable(path, error.message))
    const directory = yield* failed(
      fs.makeTempDirectoryScoped({ directory: nodePath.dirname(path), prefix: ".csi-" })
    )
    const socket = `${directory}/s`
    if (Buffer.byteLength(socket) > maxPathBytes) {
      const allowed = maxPathBytes - Buffer.byteLength(socket.slice(nodePath.dirname(path).length))
      return yield* unavailable(
        path,
        `its directory's path is longer than the ${allowed} bytes that the kernel leaves us`
      )
    }
    yield* bind(socket)
    yield* failed(fs.chmod(socket, 0o600))
    yield* failed(fs.rename(socket, path))
  }
)

/** Device and inode: what tells our socket from one that a successor has put in its place. */
const socketIdentity = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(path).pipe(
    Effect.map((info) => `${info.dev}:${Option.getOrElse(info.ino, () => 0n)}`),
    Effect.mapError((error) => unavailable(path, error.message))
  )
})

const removeSocket = Effect.fnUntraced(function*(path: string, identity: string) {
  const fs = yield* FileSystem.FileSystem
  if ((yield* socketIdentity(path)) === identity) yield* fs.remove(path)
}, Effect.ignore({ log: "Debug" }))

const unavailable = (path: string, why: string) =>
  new SocketUnavailable({ message: `cannot listen on the socket ${path}: ${why}` })
