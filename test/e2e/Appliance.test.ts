import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { Identity } from "../../src/csi/gen/csi_pb.ts"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { Simulator } from "../../src/simulator/Simulator.ts"
import type { SimulatorOptions } from "../../src/simulator/SimulatorConfig.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { opsUrl } from "../support/DriverLog.ts"
import type { GrpcClient, RpcFailure } from "../support/GrpcClient.ts"
import { holdings, holdingsOf } from "../support/Holdings.ts"
import { insist } from "../support/Insist.ts"
import { GiB, pvc } from "../support/Requests.ts"
import { makeAccess, runDriver, type RunningDriver, TestCluster, withFlags } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

/** Calls that need the appliance. Whatever state it is in, each is answered soon. */
const callsOf = ({ call }: GrpcClient) => {
  const controller = controllerCalls({ call: (method, request) => call(method, request, { deadline: "5 seconds" }) })
  return {
    create: controller.create(pvc(1)),
    expand: controller.expand(pvc(2), 2n * GiB),
    remove: controller.remove(pvc(2)),
    get: controller.get(pvc(2)),
    list: controller.list(),
    capacity: controller.capacity()
  }
}

type Rpc = keyof ReturnType<typeof callsOf>
const every: ReadonlyArray<Rpc> = ["create", "expand", "remove", "get", "list", "capacity"]

/** How the calls fail: the code, and what the message says to the person who reads it. */
interface Refusal {
  readonly rpcs?: ReadonlyArray<Rpc>
  readonly code: string
  readonly says: ReadonlyArray<string>
}

/** The calls fail in this way, tell nothing that is not the caller's business, and change nothing on the appliance. */
const refuses = Effect.fnUntraced(function*(
  client: GrpcClient,
  simulator: Simulator,
  { code, rpcs = every, says }: Refusal
) {
  const before = yield* holdings(simulator)
  for (const rpc of rpcs) {
    const call: Effect.Effect<unknown, RpcFailure> = callsOf(client)[rpc]
    const { code: actual, details } = yield* Effect.flip(call)
    assert.strictEqual(actual, code, details)
    for (const text of says) assert.include(details, text)
    assert.notMatch(details, /127\.0\.0|:put|\/disk|\/file|AAAA|PRIVATE/)
    assert.notInclude(details, `${simulator.port}`)
  }
  assert.deepStrictEqual(yield* holdings(simulator), before)
})

const readiness = Effect.fnUntraced(function*(driver: RunningDriver) {
  const response = yield* HttpClient.get(`${yield* opsUrl(driver.process)}/readyz`)
  return { status: response.status, body: yield* response.text }
})

const probe = ({ client }: RunningDriver) => client.call(Identity.method.probe, {})

interface Setting {
  readonly title: string
  readonly options?: SimulatorOptions
  /** Policies of the driver's group. */
  readonly policies?: ReadonlyArray<string>
  readonly flags?: Readonly<Record<string, string>>
  /** Flags that name files, and what is in these. */
  readonly files?: (simulator: Simulator, otherKey: { privateKey: string; publicKey: string }) => Record<string, string>
}

/** An appliance and a controller that is to work with it. */
const set = Effect.fnUntraced(
  function*({ files: textsOf = () => ({}), flags: others = {}, options = {}, policies }: Setting) {
    const access = yield* makeAccess
    const users = access.config.users.map((user) => ({ ...user, policies: policies ?? user.policies }))
    const simulator = yield* Simulator.start(Simulator.config({ ...access.config, users, ...options }))
    const files = yield* FileSystem.FileSystem
    const texts = Object.entries(textsOf(simulator, yield* generateSshKeyPair("other@test")))
    const changes = yield* Effect.forEach(texts, ([flag, text]) => {
      const file = `${access.directory}/other${flag}`
      return Effect.as(files.writeFileString(file, text), [flag, file] as const)
    })
    const flags = withFlags(yield* access.controllerFlags(simulator), { ...others, ...Object.fromEntries(changes) })
    const driver = yield* runDriver(`${access.directory}/csi.sock`, ["controller", ...flags], {
      metricsAddress: "127.0.0.1:0"
    })
    return { simulator, driver }
  }
)

const unusable: ReadonlyArray<Setting & Refusal> = [
  {
    title: "a user key that the appliance does not know",
    files: (_, { privateKey }) => ({ "--rds-key-file": privateKey }),
    code: "FAILED_PRECONDITION",
    says: ["refused", "user csi", "import"]
  },
  {
    title: "a host key that is not pinned",
    files: (_, { publicKey }) => ({ "--rds-host-key": publicKey }),
    code: "FAILED_PRECONDITION",
    says: ["SHA256:", "not pinned", "pin the new one"]
  },
  {
    title: "a RouterOS that is too old",
    options: { version: "7.20.8 (long-term)" },
    code: "FAILED_PRECONDITION",
    says: ["7.20.8", "7.21", "upgrade"]
  },
  {
    title: "a missing package",
    options: { packages: [] },
    code: "FAILED_PRECONDITION",
    says: ["rose-storage", "install"]
  },
  {
    title: "an appliance that takes connections and says nothing",
    options: { faults: ["hang=before count=all"] },
    flags: { "--ssh-connect-timeout": "300ms" },
    code: "UNAVAILABLE",
    says: ["no answer in time", "keeps trying"]
  },
  {
    title: "a group that may not read",
    policies: ["ssh", "write"],
    code: "FAILED_PRECONDITION",
    says: ["permission", "ssh, read, write and test"]
  }
]

const usable: ReadonlyArray<Setting> = [
  {
    title: "its host key in known_hosts form, among others' and comments",
    files: ({ hostKeys }, { publicKey }) => ({
      "--rds-host-key": `# the appliances\nother,[10.0.0.1]:22 ${publicKey}\n\n${hostKeys.knownHosts}\n`
    })
  },
  {
    title: "one of several pinned host keys, as while a key is changed",
    files: ({ hostKeys }, { publicKey }) => ({ "--rds-host-key": `${publicKey}\n${hostKeys.authorizedKeys} new\n` })
  }
]

const services = Layer.merge(NodeServices.layer, FetchHttpClient.layer)

layer(services, { excludeTestServices: true, concurrent: true })("an appliance that cannot be used", (it) => {
  for (const { code, says, title, ...setting } of unusable) {
    it.effect(`${title}: the process is up, not ready, and says why`, () =>
      Effect.gen(function*() {
        const { driver, simulator } = yield* set({ title, ...setting })
        yield* refuses(driver.client, simulator, { code, says })
        assert.isTrue((yield* probe(driver)).ready, "trap: Probe that asks the appliance restarts every pod")
        const { body, status } = yield* readiness(driver)
        assert.strictEqual(status, 503)
        for (const text of says) assert.include(body, text)
      }))
  }

  it.effect("a group that may not write: it is read, and refuses to be changed", () =>
    Effect.gen(function*() {
      const { driver, simulator } = yield* set({ title: "", policies: ["ssh", "read"] })
      yield* refuses(driver.client, simulator, {
        rpcs: ["create"],
        code: "FAILED_PRECONDITION",
        says: ["permission", "ssh, read, write and test"]
      })
      assert.deepStrictEqual((yield* callsOf(driver.client).list).entries, [])
      assert.strictEqual((yield* readiness(driver)).status, 200)
    }))

  for (const setting of usable) {
    it.effect(`but it can with ${setting.title}`, () =>
      Effect.gen(function*() {
        const { driver, simulator } = yield* set(setting)
        yield* callsOf(driver.client).create
        assert.lengthOf(yield* simulator.device.disks, 1)
      }))
  }

  it.effect("one that stops answering in mid-call: the call ends at its limit, and the retry finishes the volume", () =>
    Effect.gen(function*() {
      const { driver, simulator } = yield* set({
        title: "",
        flags: { "--ssh-write-timeout": "300ms" },
        options: { faults: ["hang=during match=/disk/add"] }
      })
      const { create } = callsOf(driver.client)
      const { code, details } = yield* Effect.flip(create)
      assert.strictEqual(code, "UNAVAILABLE")
      assert.include(details, "did not answer within 300ms")
      yield* insist(create)
      assert.lengthOf(yield* simulator.device.disks, 1)
    }))

  it.effect("one that is away when the process starts: calls fail at once, until it is there", () =>
    Effect.gen(function*() {
      const access = yield* makeAccess
      const { privateKey: hostKey } = yield* generateSshKeyPair("rds")
      // An address of its own: nobody takes the port while nobody listens on it.
      const config = Simulator.config({
        ...access.config,
        host: "127.0.0.77",
        hostKey,
        stateDirectory: `${access.directory}/appliance`
      })
      const away = yield* Effect.scoped(Simulator.start(config))
      const start = Simulator.start({ ...config, port: away.port })
      const flags = withFlags(yield* access.controllerFlags(away), { "--reconnect-pause": "100ms" })
      const driver = yield* runDriver(`${access.directory}/csi.sock`, ["controller", ...flags], {
        metricsAddress: "127.0.0.1:0"
      })
      const ready = until(Effect.map(readiness(driver), ({ status }) => status === 200))
      const refusal = { code: "UNAVAILABLE", says: ["appliance"] }
      yield* refuses(driver.client, away, refusal)
      assert.strictEqual((yield* readiness(driver)).status, 503)

      yield* Effect.scoped(Effect.gen(function*() {
        yield* start
        yield* ready
        yield* callsOf(driver.client).create
      }))
      yield* refuses(driver.client, away, refusal)
      assert.isTrue((yield* probe(driver)).ready)

      yield* start
      yield* ready
      assert.lengthOf((yield* callsOf(driver.client).list).entries, 1)
    }))
})

const impatient = TestCluster.layer({}, ["--reconnect-pause=100ms"])

layer(impatient, { excludeTestServices: true })("an appliance in trouble", (it) => {
  const pool = "storage-pool"
  const changing = { rpcs: ["create", "expand", "capacity"] } as const

  const states = [
    {
      title: "a pool that is not mounted",
      change: { mounted: false },
      mended: { mounted: true },
      says: ["mount", pool]
    },
    { title: "a degraded pool", change: { state: "degraded" }, mended: { state: "clean" }, says: [pool, "degraded"] }
  ]
  for (const { change, mended, says, title } of states) {
    it.effect(`${title}: volumes are still listed, and none is made or grown`, () =>
      Effect.gen(function*() {
        const { client, simulator } = yield* TestCluster
        const controller = controllerCalls(client)
        yield* controller.create(pvc(2))
        yield* simulator.device.setPool(pool, change)
        yield* refuses(client, simulator, { ...changing, code: "UNAVAILABLE", says })
        assert.lengthOf((yield* controller.list()).entries, 1)
        yield* simulator.device.setPool(pool, mended)
        yield* controller.expand(pvc(2), 2n * GiB)
        yield* controller.remove(pvc(2))
      }))
  }

  it.effect("a full pool: RESOURCE_EXHAUSTED, for the scheduler to try elsewhere", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      yield* controller.create(pvc(2))
      yield* simulator.faults.add("pool-full count=all")
      yield* refuses(client, simulator, {
        rpcs: ["create", "expand"],
        code: "RESOURCE_EXHAUSTED",
        says: [pool, "free", "delete volumes or add drives"]
      }).pipe(Effect.ensuring(simulator.faults.clear))
      yield* controller.remove(pvc(2))
    }))

  it.effect("one that restarts in mid-call, before, between and after its steps: the retry finishes the volume", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      yield* controller.create(pvc(100))
      const expected = yield* holdingsOf(simulator, pvc(100))
      const moments = ["before", "during step=1", "during step=2", "during step=3", "after"]
      for (const [i, moment] of moments.entries()) {
        yield* simulator.faults.add(`reboot=${moment} match=${pvc(i)} down=50ms`)
        yield* insist(controller.create(pvc(i)))
        assert.deepStrictEqual(yield* holdingsOf(simulator, pvc(i)), expected, moment)
      }
      yield* Effect.forEach([0, 1, 2, 3, 4, 100], (n) => controller.remove(pvc(n)))
      assert.lengthOf(yield* simulator.device.disks, 0)
    }))

  it.effect("one whose host key changes is not trusted any more, until it shows the pinned one again", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const controller = controllerCalls(client)
      yield* simulator.faults.add("new-host-key count=all")
      yield* simulator.reboot("10 millis")
      yield* until(Effect.map(Effect.flip(controller.list()), ({ code }) => code === "FAILED_PRECONDITION"))
      yield* refuses(client, simulator, { code: "FAILED_PRECONDITION", says: ["SHA256:", "not pinned"] })
      yield* simulator.faults.clear
      yield* until(Effect.map(Effect.result(controller.list()), ({ _tag }) => _tag === "Success"))
    }))
})
