import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Layer, Logger, Scope } from "effect"
import * as net from "node:net"
import { dirname } from "node:path"
import { listenUnix } from "../../src/csi/UnixSocket.ts"

/** Listens at a path until the scope closes; Node leaves the file alone once it has been moved away. */
const listenAt = (path: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer((connection) => connection.destroy())
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** `listenUnix` with a plain listener behind it. */
const listen = (path: string) =>
  Effect.flatMap(Effect.scope, (scope) => listenUnix(path, (at) => Scope.provide(listenAt(at), scope)))

/** Leaves a socket file behind that nobody listens on, as a killed process does. */
const leaveStale = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.scoped(Effect.andThen(listenAt(`${path}.old`), fs.rename(`${path}.old`, path)))
})

const inode = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return (yield* fs.stat(path)).ino
})

const accepts = (path: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = net.connect({ path })
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

const live = <A, E>(
  name: string,
  test: (fs: FileSystem.FileSystem, directory: string) => Effect.Effect<A, E, FileSystem.FileSystem | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      return yield* test(fs, yield* fs.makeTempDirectoryScoped())
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeFileSystem.layer, Logger.layer([])))))

describe("listenUnix", () => {
  live("makes the parent directory, and a socket of mode 0600", (fs, directory) =>
    Effect.gen(function*() {
      const path = `${directory}/plugins/rds/csi.sock`
      yield* listen(path)
      assert.strictEqual((yield* fs.stat(path)).mode & 0o777, 0o600)
      assert.isTrue(yield* accepts(path))
      assert.deepStrictEqual(yield* fs.readDirectory(dirname(path)), ["csi.sock"])
    }))

  live("nobody else can reach the socket before its mode is set", (fs, directory) =>
    Effect.gen(function*() {
      const path = `${directory}/csi.sock`
      const scope = yield* Effect.scope
      yield* listenUnix(path, (at) =>
        Effect.gen(function*() {
          yield* Scope.provide(listenAt(at), scope)
          assert.strictEqual((yield* fs.stat(dirname(at))).mode & 0o777, 0o700)
          assert.isFalse(yield* fs.exists(path))
        }).pipe(Effect.orDie))
    }))

  live("replaces a socket that nobody listens on", (_fs, directory) =>
    Effect.gen(function*() {
      const path = `${directory}/csi.sock`
      yield* leaveStale(path)
      assert.isFalse(yield* accepts(path))
      yield* listen(path)
      assert.isTrue(yield* accepts(path))
    }))

  live(
    "leaves a socket alone that another process listens on, and says so",
    (_fs, directory) =>
      Effect.gen(function*() {
        const path = `${directory}/csi.sock`
        yield* listenAt(path)
        const before = yield* inode(path)
        const error = yield* Effect.flip(listen(path))
        assert.strictEqual(
          error.message,
          `cannot listen on the socket ${path}: another process is listening on it`
        )
        assert.deepStrictEqual(yield* inode(path), before)
        assert.isTrue(yield* accepts(path))
      })
  )

  live("leaves a file alone that is not a socket", (fs, directory) =>
    Effect.gen(function*() {
      const path = `${directory}/csi.sock`
      yield* fs.writeFileString(path, "precious")
      const error = yield* Effect.flip(listen(path))
      assert.include(error.message, "something else than a socket")
      assert.strictEqual(yield* fs.readFileString(path), "precious")
    }))

  live(
    "removes the socket when the scope closes, but not one that a successor has put there",
    (fs, directory) =>
      Effect.gen(function*() {
        const path = `${directory}/csi.sock`
        const first = yield* Scope.make()
        yield* Scope.provide(listen(path), first)
        yield* Scope.close(first, Exit.void)
        assert.isFalse(yield* fs.exists(path))

        const second = yield* Scope.make()
        yield* Scope.provide(listen(path), second)
        yield* listenAt(`${directory}/successor`)
        yield* fs.rename(`${directory}/successor`, path)
        yield* Scope.close(second, Exit.void)
        assert.isTrue(yield* accepts(path))
      })
  )

  live(
    "a path that is too long for the kernel is an error that says so, and leaves nothing behind",
    (fs, directory) =>
      Effect.gen(function*() {
        const parent = `${directory}/${"d".repeat(100)}`
        const error = yield* Effect.flip(listen(`${parent}/csi.sock`))
        assert.include(error.message, "longer than the")
        assert.deepStrictEqual(yield* fs.readDirectory(parent), [])
      })
  )
})
