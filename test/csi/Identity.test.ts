import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem, Layer, Logger, Ref } from "effect"
import { Identity } from "../../src/csi/gen/csi_pb.ts"
import { rpcs } from "../../src/csi/GrpcService.ts"
import { type IdentityOptions, makeIdentity } from "../../src/csi/Identity.ts"
import { serve } from "../../src/csi/Server.ts"
import { connect } from "../support/GrpcClient.ts"

const options: IdentityOptions = {
  name: "rds.csi.srvlab.io",
  version: "1.2.3",
  manifest: { commit: "0123abc" },
  controller: true,
  ready: Effect.succeed(true)
}

const start = Effect.fnUntraced(function*(change: Partial<IdentityOptions> = {}) {
  const fs = yield* FileSystem.FileSystem
  const path = `${yield* fs.makeTempDirectoryScoped()}/csi.sock`
  yield* serve({
    endpoint: { _tag: "Unix", path },
    rpcs: rpcs(Identity, makeIdentity({ ...options, ...change })),
    drainTimeout: Duration.zero
  })
  return yield* connect(`unix://${path}`)
})

const services = Layer.merge(NodeFileSystem.layer, Logger.layer([]))

describe("Identity", () => {
  it.live("GetPluginInfo tells name, version and build", () =>
    Effect.gen(function*() {
      const client = yield* start()
      const info = yield* client.call(Identity.method.getPluginInfo, {})
      assert.deepInclude(info, { name: "rds.csi.srvlab.io", vendorVersion: "1.2.3", manifest: { commit: "0123abc" } })
    }).pipe(Effect.provide(services)))

  it.live.each([
    { controller: true, expected: ["service 1", "volumeExpansion 1"] },
    { controller: false, expected: ["volumeExpansion 1"] }
  ])("GetPluginCapabilities with %o", ({ controller, expected }) =>
    Effect.gen(function*() {
      const client = yield* start({ controller })
      const { capabilities } = yield* client.call(Identity.method.getPluginCapabilities, {})
      assert.deepStrictEqual(capabilities.map(({ type }) => `${type.case} ${type.value?.type}`), expected)
    }).pipe(Effect.provide(services)))

  it.live("trap: Probe that asks the appliance. It tells only whether this process has finished starting", () =>
    Effect.gen(function*() {
      const ready = yield* Ref.make(false)
      const client = yield* start({ ready: Ref.get(ready) })
      assert.strictEqual((yield* client.call(Identity.method.probe, {})).ready, false)
      yield* Ref.set(ready, true)
      assert.strictEqual((yield* client.call(Identity.method.probe, {})).ready, true)
    }).pipe(Effect.provide(services)))
})
