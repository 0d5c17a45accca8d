import type { DescMethodUnary } from "@bufbuild/protobuf"
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Effect, FileSystem } from "effect"
import { inspect } from "node:util"
import { Controller, Identity, Node } from "../../src/csi/gen/csi_pb.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import type { RpcFailure } from "../support/GrpcClient.ts"
import { messageOf } from "../support/Hostile.ts"
import { codesOf, existing, poolsIn } from "../support/HostileRequests.ts"
import { insist } from "../support/Insist.ts"
import { filesystem, pvc } from "../support/Requests.ts"
import { nodes, TestCluster } from "../support/TestCluster.ts"
import { seed } from "../support/Thorough.ts"
import { until } from "../support/Until.ts"

/** How many requests each RPC gets; CI sends more than a developer waits for. */
const requests = Number(process.env["RDS_CSI_FUZZ_REQUESTS"] ?? 60)

const methods = [...Identity.methods, ...Controller.methods, ...Node.methods].filter(
  (method): method is DescMethodUnary => method.methodKind === "unary"
)

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

/** The text that is in a message, at the end of the path; "" when there is none. */
const textAt = (message: unknown, [field, ...deeper]: ReadonlyArray<string>): string => {
  if (field === undefined) return typeof message === "string" ? message : ""
  const inside = typeof message === "object" && message !== null ? new Map(Object.entries(message)) : new Map()
  return textAt(inside.get(field), deeper)
}

/** What was answered OK, and may have left something behind. */
interface Success {
  readonly request: unknown
  readonly reply: unknown
}

/** Sends hostile requests; each answer is one that the specification has for it, and the process lives. */
const fuzz = Effect.fnUntraced(function*(method: DescMethodUnary) {
  const { client, directory } = yield* TestCluster
  const requestOf = messageOf(method.input, poolsIn(directory))
  const samples = yield* Arbitrary.sampleEffect(requestOf, { count: requests, seed: `${method.name} ${seed}` })
  const successes: Array<Success> = []
  const answers = yield* Effect.forEach(samples, (request) =>
    Effect.gen(function*() {
      const call = Effect.map(client.call(method, request), (reply) => successes.push({ request, reply }))
      const code = yield* codeOf(call)
      assert.include(["OK", ...codesOf(method)], code, inspect(request, { depth: 5 }))
      return code
    }), { concurrency: 8 })
  assert.isTrue((yield* client.call(Identity.method.probe, {})).ready)
  return { answers: new Set(answers), successes }
})

/** Makes the volumes that requests name; the first is in use on the node. */
const prepare = Effect.gen(function*() {
  const { client, directory } = yield* TestCluster
  const files = yield* FileSystem.FileSystem
  const { create, publish } = controllerCalls(client)
  for (const name of ["staging", "pod"]) yield* files.makeDirectory(`${directory}/${name}`, { recursive: true })
  yield* Effect.forEach(existing, (name) => create(name), { concurrency: 4 })
  yield* publish(pvc(1), nodes[0])
  const use = {
    volumeId: pvc(1),
    stagingTargetPath: `${directory}/staging`,
    volumeCapability: filesystem,
    volumeContext: { nvmeAddress: "10.0.0.1", nvmePort: "4420" }
  }
  yield* client.call(Node.method.nodeStageVolume, use)
  yield* client.call(Node.method.nodePublishVolume, { ...use, targetPath: `${directory}/pod/a` })
})

/** The ids of the volumes that the appliance has. */
const volumes = Effect.gen(function*() {
  const { simulator } = yield* TestCluster
  return (yield* simulator.device.disks).map(({ nqn }) => nqn.slice(nqn.indexOf(":") + 1)).sort()
})

/** Ends every use that there may be on the node. */
const leaveNode = Effect.fnUntraced(function*(requests: ReadonlyArray<unknown>) {
  const { client, directory } = yield* TestCluster
  const uses = requests.map((request) => [
    textAt(request, ["volumeId"]),
    textAt(request, ["targetPath"]),
    textAt(request, ["stagingTargetPath"])
  ])
  const usual = existing.flatMap((id) =>
    ["a", "b"].map((pod) => [id, `${directory}/pod/${pod}`, `${directory}/staging`])
  )
  for (const [volumeId = "", targetPath = ""] of [...usual, ...uses]) {
    if (volumeId === "" || !targetPath.startsWith("/")) continue
    yield* insist(client.call(Node.method.nodeUnpublishVolume, { volumeId, targetPath }))
  }
  for (const [volumeId = "", , stagingTargetPath = ""] of [...usual, ...uses]) {
    if (volumeId === "" || !stagingTargetPath.startsWith("/")) continue
    yield* insist(client.call(Node.method.nodeUnstageVolume, { volumeId, stagingTargetPath }))
  }
})

/** Removes every volume and snapshot that is there; then nothing may be left on the appliance. */
const cleanUp = Effect.fnUntraced(function*(successes: ReadonlyArray<Success>) {
  const { client, simulator } = yield* TestCluster
  const { remove, unpublish } = controllerCalls(client)
  yield* leaveNode(successes.map(({ request }) => request))
  for (const id of yield* volumes) yield* insist(Effect.andThen(unpublish(id, ""), remove(id)))
  const snapshots = new Set(successes.map(({ reply }) => textAt(reply, ["snapshot", "snapshotId"])))
  for (const snapshotId of snapshots) {
    if (snapshotId !== "") yield* insist(client.call(Controller.method.deleteSnapshot, { snapshotId }))
  }
  assert.deepStrictEqual(yield* volumes, [])
  yield* until(Effect.map(simulator.device.files, (files) => files.every(({ directory }) => directory)))
})

layer(TestCluster.layer(), { excludeTestServices: true })(`${requests} hostile requests of`, (it) => {
  for (const method of methods) {
    it.effect(
      `${method.name}: codes of the specification, and nothing is made or left but what was answered OK`,
      () =>
        Effect.gen(function*() {
          // What takes no arguments changes nothing.
          if (method.input.fields.length === 0) return yield* fuzz(method)
          yield* prepare
          const { answers, successes } = yield* fuzz(method)
          const made = successes.map(({ reply }) => textAt(reply, ["volume", "volumeId"]))
          const left = yield* volumes
          assert.isEmpty(left.filter((id) => !existing.includes(id) && !made.includes(id)))
          if (method === Controller.method.createVolume) assert.includeMembers(left, made)
          yield* cleanUp(successes)

          if (answers.has("UNIMPLEMENTED")) return assert.strictEqual(answers.size, 1)
          assert.isTrue(answers.has("OK"), "some requests are good")
          return assert.isAbove(answers.size, 1, "some are not")
        }),
      20_000 + 100 * requests
    )
  }
})
