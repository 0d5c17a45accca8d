import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { inspect } from "node:util"
import { Controller, Identity, VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import type { Simulator } from "../../src/simulator/Simulator.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import type { GrpcClient, RpcFailure } from "../support/GrpcClient.ts"
import { type CreateFields, createRequest, filesystem, GiB, pvc } from "../support/Requests.ts"
import { base, nodes, TestCluster } from "../support/TestCluster.ts"

type Capability = NonNullable<CreateFields["volumeCapabilities"]>[number]

const { method } = Controller
const requests = 300
/** Volumes that requests may name and hit. */
const existing = [1, 2, 3, 4, 5].map(pvc)
/** Another seed: `FUZZ_SEED=2 vitest run test/e2e/Fuzz.test.ts`. */
const seed = process.env["FUZZ_SEED"] ?? "1"

const oneOf = <A>(...choices: ReadonlyArray<Arbitrary.Arbitrary<A>>): Arbitrary.Arbitrary<A> =>
  Arbitrary.flatMap(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: choices.length - 1 }))),
    (n) => choices[n] ?? oneOf(...choices)
  )

const among = <A>(...values: ReadonlyArray<A>) => oneOf(...values.map((value) => Arbitrary.Constant(value)))

/** Mostly the value of a good request, so that the others are looked at as well. */
const mostly = <A>(good: A, hostile: Arbitrary.Arbitrary<A>) =>
  oneOf(among(good, good), Arbitrary.Constant(good), hostile)

const text = oneOf(
  Arbitrary.schema(Schema.String),
  among(
    "",
    " ",
    ".",
    "/",
    "../../etc",
    "\0",
    "a\u0007b",
    "line\r\n:put broken",
    "\u2028\u202e\u200b\ufeff",
    "\ud800 alone",
    "😀".repeat(32),
    "x".repeat(128),
    "x".repeat(129),
    "ä".repeat(5000),
    "\"; /system/reboot; \"",
    "$[/disk/remove [find]]",
    "\\\"{$x}[:put 1]",
    "__proto__",
    "constructor",
    "%s%n%00",
    "pvc-",
    "pvc-AAAAAAAA-0000-4000-8000-000000000000",
    `nqn.2000-02.com.mikrotik:${pvc(1)}`
  )
)

const size = oneOf(
  Arbitrary.map(Arbitrary.schema(Schema.Int), BigInt),
  among(0n, 1n, -1n, GiB - 1n, GiB, GiB + 1n, 1500n * GiB, 1n << 44n, (1n << 44n) + 1n, (1n << 63n) - 1n, -(1n << 63n))
)

const capacityRange = oneOf(
  Arbitrary.Constant(undefined),
  Arbitrary.map(Arbitrary.all([size, size]), ([requiredBytes, limitBytes]) => ({ requiredBytes, limitBytes }))
)

const parameterNames = among(
  "volumePath",
  "nvmePort",
  "nvmeAddress",
  "rdsAddress",
  "ctrlLossTmo",
  "fsType",
  "csi.storage.k8s.io/x"
)
const parameterValues = among(
  base,
  `${base}/fast`,
  `${base}/../x`,
  "4420",
  "0",
  "-1",
  "10.0.0.1",
  "fe80::1%lo",
  "65536",
  "1e3"
)
const map = Arbitrary.map(
  Arbitrary.array(Arbitrary.all([oneOf(parameterNames, text), oneOf(parameterValues, text)]), { maxLength: 3 }),
  (entries) => Object.fromEntries(entries)
)

const mode = among(...Object.values(Mode).filter((value) => typeof value === "number"))
const accessType = oneOf<NonNullable<Capability["accessType"]>>(
  Arbitrary.Constant({ case: "block" as const, value: {} }),
  Arbitrary.Constant({ case: undefined }),
  Arbitrary.map(
    Arbitrary.all([oneOf(among("", "xfs"), text), Arbitrary.array(text, { maxLength: 2 }), among("", "", "0")]),
    ([fsType, mountFlags, volumeMountGroup]) => ({
      case: "mount" as const,
      value: { fsType, mountFlags, volumeMountGroup }
    })
  )
)
const capability = Arbitrary.map(
  Arbitrary.all([mode, accessType]),
  ([mode, accessType]) => ({ accessMode: { mode }, accessType })
)
const capabilities = Arbitrary.array(capability, { maxLength: 3 })

/** Volumes that exist, that never did, and what is no id. */
const volumeId = oneOf(among(...existing), among(pvc(6), "loose-id"), text)
const maxEntries = among(0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31))
const nodeId = mostly<string>(nodes[0], oneOf(among<string>(nodes[1], "node-x"), text))

/** The code of the answer, whose message is one line that fits an event and tells no address. */
const codeOf = (call: Effect.Effect<unknown, RpcFailure>) =>
  Effect.match(call, {
    onSuccess: () => "OK",
    onFailure: ({ code, details }) => {
      assert.isAtMost(Buffer.byteLength(details), 1024)
      assert.notMatch(details, /[\0-\x1f\x7f]|127\.0\.0\.1/)
      return code
    }
  })

/** Sends hostile requests; each answer is one that the specification has for it, and the process lives. */
const fuzz = <A>(
  rpc: string,
  request: Arbitrary.Arbitrary<A>,
  codes: ReadonlyArray<string>,
  call: (client: GrpcClient, request: A) => Effect.Effect<unknown, RpcFailure>
) => ({
  rpc,
  run: Effect.gen(function*() {
    const { client } = yield* TestCluster
    const samples = yield* Arbitrary.sampleEffect(request, { count: requests, seed: `${rpc} ${seed}` })
    const answers = yield* Effect.forEach(samples, (sample) =>
      Effect.map(codeOf(call(client, sample)), (code) => {
        assert.include(["OK", "INVALID_ARGUMENT", ...codes], code, inspect(sample, { depth: 5 }))
        return code
      }), { concurrency: 8 })
    assert.include(answers, "OK", "some requests are good")
    assert.isAbove(new Set(answers).size, 1, "some are not")
    assert.isTrue((yield* client.call(Identity.method.probe, {})).ready)
  })
})

const createFields = Arbitrary.map(
  Arbitrary.all({
    name: oneOf(among(...existing), text),
    capacityRange: mostly<CreateFields["capacityRange"]>({ requiredBytes: GiB, limitBytes: 0n }, capacityRange),
    volumeCapabilities: mostly<Array<Capability>>([filesystem], capabilities),
    parameters: mostly<Record<string, string>>({}, map),
    mutableParameters: mostly<Record<string, string>>({}, among({ speed: "1" })),
    secrets: mostly<Record<string, string>>({}, map)
  }),
  ({ capacityRange, ...fields }) => ({ ...fields, ...capacityRange === undefined ? {} : { capacityRange } })
)

/** CreateVolume, which notes the volumes that were answered OK; each must have a size in the range that was asked for. */
const fuzzCreate = (made: Set<string>) =>
  fuzz(
    "CreateVolume",
    createFields,
    ["ALREADY_EXISTS", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "ABORTED"],
    ({ call }, fields) =>
      Effect.map(call(method.createVolume, createRequest(fields.name, fields)), ({ volume }) => {
        const { limitBytes = 0n, requiredBytes = 0n } = fields.capacityRange ?? {}
        const { capacityBytes = 0n, volumeId = "" } = volume ?? {}
        assert.isTrue(capacityBytes >= requiredBytes && (limitBytes === 0n || capacityBytes <= limitBytes))
        made.add(volumeId)
      })
  )

const ofVolumes = [
  fuzz(
    "ControllerPublishVolume",
    Arbitrary.all({
      volumeId,
      nodeId,
      volumeCapability: mostly<Capability>(filesystem, capability),
      volumeContext: mostly<Record<string, string>>({}, map),
      readonly: among(false, false, true)
    }),
    ["NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED"],
    ({ call }, request) => call(method.controllerPublishVolume, request)
  ),
  fuzz(
    "ControllerUnpublishVolume",
    Arbitrary.all({ volumeId, nodeId }),
    ["ABORTED"],
    ({ call }, request) => call(method.controllerUnpublishVolume, request)
  ),
  fuzz(
    "ControllerExpandVolume",
    Arbitrary.all({ volumeId, requiredBytes: size, limitBytes: mostly(0n, size) }),
    ["NOT_FOUND", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "ABORTED"],
    ({ call }, { volumeId, ...capacityRange }) => call(method.controllerExpandVolume, { volumeId, capacityRange })
  ),
  fuzz(
    "ValidateVolumeCapabilities",
    Arbitrary.all({ volumeId, volumeCapabilities: capabilities, volumeContext: map, parameters: map }),
    ["NOT_FOUND"],
    ({ call }, request) => call(method.validateVolumeCapabilities, request)
  ),
  fuzz(
    "ControllerGetVolume",
    volumeId,
    ["NOT_FOUND"],
    ({ call }, volumeId) => call(method.controllerGetVolume, { volumeId })
  ),
  fuzz(
    "ListVolumes",
    Arbitrary.all({ maxEntries, startingToken: mostly("", oneOf(among(`after:${pvc(2)}`), text)) }),
    ["ABORTED"],
    ({ call }, request) => call(method.listVolumes, request)
  ),
  fuzz(
    "GetCapacity",
    Arbitrary.all({ volumeCapabilities: capabilities, parameters: map }),
    [],
    ({ call }, request) => call(method.getCapacity, request)
  ),
  fuzz(
    "DeleteVolume",
    volumeId,
    ["FAILED_PRECONDITION", "ABORTED"],
    ({ call }, volumeId) => call(method.deleteVolume, { volumeId })
  )
]

/** The ids of the volumes that the appliance has. */
const volumesOf = ({ device }: Simulator) =>
  Effect.map(device.disks, (disks) => disks.map(({ nqn }) => nqn.slice(nqn.indexOf(":") + 1)).sort())

/** Makes the volumes that the requests name, and removes them again; then nothing may be left. */
const amongVolumes = <E, R>(run: Effect.Effect<void, E, R>) =>
  Effect.gen(function*() {
    const { client, simulator } = yield* TestCluster
    const controller = controllerCalls(client)
    yield* Effect.forEach(existing, (name) => controller.create(name), { concurrency: 4 })
    yield* controller.publish(pvc(1), nodes[0])
    yield* run
    const left = yield* volumesOf(simulator)
    assert.deepStrictEqual(left.filter((id) => !existing.includes(id)), [])
    yield* Effect.forEach(existing, (id) => Effect.andThen(controller.unpublish(id, ""), controller.remove(id)))
    assert.deepStrictEqual(yield* volumesOf(simulator), [])
    assert.deepStrictEqual((yield* simulator.device.files).filter(({ directory }) => !directory), [])
  })

layer(TestCluster.layer(), { excludeTestServices: true })(`${requests} hostile requests of`, (it) => {
  it.effect("CreateVolume: codes of the specification, and only the volumes that were answered OK", () =>
    Effect.gen(function*() {
      const { client, simulator } = yield* TestCluster
      const made = new Set<string>()
      yield* fuzzCreate(made).run
      assert.deepStrictEqual(yield* volumesOf(simulator), [...made].sort())
      yield* Effect.forEach(made, controllerCalls(client).remove, { concurrency: 4 })
      assert.deepStrictEqual(yield* volumesOf(simulator), [])
    }))

  for (const { rpc, run } of ofVolumes) {
    it.effect(`${rpc}: codes of the specification, and no other volume is made or left`, () => amongVolumes(run))
  }
})
