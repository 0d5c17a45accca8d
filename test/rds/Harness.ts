import { layer } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Result, Schema } from "effect"
import { parseHostKeys } from "../../src/rds/HostKey.ts"
import { RdsClient } from "../../src/rds/RdsClient.ts"
import { defaultReserveBytes, type RdsConfig } from "../../src/rds/RdsConfig.ts"
import { defaultSshPoolConfig, SshPool, type SshPoolConfig } from "../../src/rds/SshPool.ts"
import { type SshTarget, SshTransport } from "../../src/rds/SshTransport.ts"
import { parseUserKey } from "../../src/rds/UserKey.ts"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"
import { csiPolicies, type SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { ClusterId } from "../../src/volume/OwnershipTag.ts"
import { VolumePath } from "../../src/volume/PathRules.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { until } from "../support/Until.ts"
import { makeFakeAppliance } from "./FakeAppliance.ts"

export { holdings } from "../support/Holdings.ts"
export { until } from "../support/Until.ts"

export const GiB = 1n << 30n
export const base = VolumePath.make("/storage-pool/metal-csi")
const user = "rds-csi"
export const path = (text: string) => VolumePath.make(text)
export const volumeId = Schema.decodeSync(VolumeId.schema)

export const rdsConfig: RdsConfig = {
  clusterId: ClusterId.schema.make("prod"),
  base,
  reserveBytes: defaultReserveBytes,
  newVolumesLetIn: "any",
  snapshots: "auto"
}

/** A create of `1 GiB` under the base; `name` becomes the id. */
export const spec = (name: string, change: { readonly directory?: VolumePath; readonly sizeBytes?: bigint } = {}) => ({
  id: VolumeId.fromName(name),
  directory: base,
  sizeBytes: GiB,
  port: 4420,
  ...change
})

/** A simulated appliance with a user for the driver, and what the driver needs to reach it. */
export const startAppliance = Effect.fnUntraced(function*(
  { policies = csiPolicies, ...options }: SimulatorOptions & { readonly policies?: ReadonlyArray<string> } = {}
) {
  const key = yield* generateSshKeyPair(user)
  const users = [{ name: user, publicKeys: [key.publicKey], policies }]
  const simulator = yield* Simulator.start(Simulator.config({ users, ...options }))
  const where = { host: simulator.host, port: simulator.port }
  const target: SshTarget = {
    ...where,
    user,
    userKey: Result.getOrThrow(parseUserKey(Redacted.make(key.privateKey))),
    hostKeys: Result.getOrThrow(parseHostKeys(simulator.hostKeys.authorizedKeys, where))
  }
  return { simulator, target }
})

interface Settings {
  readonly pool?: Partial<SshPoolConfig>
  readonly rds?: Partial<RdsConfig>
}

export const clientOver = Effect.fnUntraced(function*(transport: Layer.Layer<SshTransport>, { pool, rds }: Settings) {
  const client = RdsClient.layer({ ...rdsConfig, ...rds }).pipe(
    Layer.provide(SshPool.layer({ ...defaultSshPoolConfig, ...pool })),
    Layer.provide(transport)
  )
  return yield* Effect.provide(RdsClient, yield* Layer.build(client))
})

/** The driver's client of an appliance; it ends with the scope. */
export const connect = (target: SshTarget, settings: Settings = {}) => clientOver(SshTransport.layer(target), settings)

/** The driver's client of an appliance that answers every command with `prints`. */
export const connectToFake = Effect.fnUntraced(function*(prints: string) {
  const { appliance, transport } = makeFakeAppliance()
  Object.assign(appliance, { prints, commandTime: 0 })
  return yield* clientOver(transport, {})
})

/** Both, connected, with no exec on record yet. */
export const start = Effect.fnUntraced(function*(
  options: Parameters<typeof startAppliance>[0] = {},
  settings: Settings = {}
) {
  const { simulator, target } = yield* startAppliance(options)
  const rds = yield* connect(target, settings)
  yield* until(Effect.map(rds.state, ({ connected }) => connected))
  yield* simulator.resetExecs
  return { simulator, target, rds }
})

/** The exec lines since the start or the last reset, without those of connecting. */
export const commands = ({ execs }: Simulator) =>
  Effect.map(execs, (records) => records.filter(({ line }) => !line.includes("/system/resource")))

/** A group of tests in real time, over real connections, without the driver's log of what they break on purpose. */
export const quietly = layer(Logger.layer([]), { excludeTestServices: true })
