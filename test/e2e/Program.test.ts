import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { Controller, Identity, Node } from "../../src/csi/gen/csi_pb.ts"
import { controllerCalls } from "../support/ControllerCalls.ts"
import { logLines, opsUrl } from "../support/DriverLog.ts"
import { startDriver } from "../support/DriverProcess.ts"
import { connect, type RpcFailure } from "../support/GrpcClient.ts"
import { createRequest, filesystem, GiB, pvc } from "../support/Requests.ts"
import { base, runDriver, startAppliance, withFlags } from "../support/TestCluster.ts"
import { until } from "../support/Until.ts"

/** Runs the program to its end. */
const run = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const process = yield* startDriver(args)
  const code = yield* process.exitCode
  return { code, output: yield* process.output, errors: yield* process.errors }
}, Effect.scoped)

/** A controller that was started with an appliance of its own. */
const startController = Effect.fnUntraced(function*(
  { faults = [], flags = [] }: { readonly faults?: ReadonlyArray<string>; readonly flags?: ReadonlyArray<string> } = {}
) {
  const appliance = yield* startAppliance({ faults })
  const socket = `${appliance.directory}/csi.sock`
  const driver = yield* runDriver(socket, ["controller", ...appliance.controllerFlags, ...flags])
  return { ...appliance, ...driver, socket, controller: controllerCalls(driver.client) }
})

const services = Layer.merge(NodeServices.layer, FetchHttpClient.layer)

layer(services, { excludeTestServices: true, concurrent: true })("the program's start", (it) => {
  it.effect("tells its version, in both ways of asking, and its commands", () =>
    Effect.gen(function*() {
      for (const args of [["version"], ["-version"]]) {
        const { code, errors, output } = yield* run(args)
        assert.deepStrictEqual([code, errors], [0, ""])
        assert.match(output, /^rds-csi \d+\.\d+\.\d+ \(commit \S+, node v\d+/)
      }
      const { code, output } = yield* run(["--help"])
      assert.strictEqual(code, 0)
      for (const command of ["controller", "node", "all", "simulator", "version"]) assert.include(output, command)
    }))

  it.effect("ends with 64 for a wrong command line and 78 for a wrong file, with one line on stderr", () =>
    Effect.gen(function*() {
      const needed = ["controller", "--rds-address=192.0.2.1", `--rds-volume-base-path=${base}`]
      const rows = [
        { args: [...needed, "--rds-port=70000"], expected: 64, says: "--rds-port" },
        { args: [...needed, "--rds-key-file=/none"], expected: 78, says: "--rds-key-file: /none cannot be read" }
      ]
      for (const { args, expected, says } of rows) {
        const { code, errors, output } = yield* run(args)
        assert.strictEqual(code, expected)
        assert.strictEqual(output, errors, "nothing on stdout")
        assert.lengthOf(errors.trimEnd().split("\n"), 1)
        assert.include(errors, says)
      }
    }))

  it.effect("ends with 69 where it cannot listen; whoever has the socket goes on", () =>
    Effect.gen(function*() {
      const { client, controllerFlags, directory, socket } = yield* startController()
      const files = yield* FileSystem.FileSystem
      const plain = `${directory}/plain`
      yield* files.writeFileString(plain, "no socket")
      const rows = [
        [{ "--endpoint": `unix://${socket}` }, "another process is listening"],
        [{ "--endpoint": plain }, "something else than a socket"],
        [{ "--endpoint": `${plain}/csi.sock` }, `${plain}/csi.sock`],
        [{ "--endpoint": `${directory}/${"x".repeat(120)}/csi.sock` }, "longer than"],
        [{ "--metrics-address": "192.0.2.1:9809" }, "192.0.2.1:9809"]
      ] as const
      yield* Effect.forEach(rows, ([changes, says]) =>
        Effect.gen(function*() {
          const flags = withFlags([`--endpoint=${directory}/other.sock`, "--metrics-address="], changes)
          const { code, errors } = yield* run(["controller", ...controllerFlags, ...flags])
          assert.strictEqual(code, 69, errors)
          assert.include(errors.trimEnd().split("\n").at(-1), says)
        }), { concurrency: 2 })
      assert.isTrue((yield* client.call(Identity.method.probe, {})).ready)
      assert.strictEqual(yield* files.readFileString(plain), "no socket")
    }))

  it.effect("takes everything from the environment, and flags before that", () =>
    Effect.gen(function*() {
      const { controllerFlags, directory, nodeFlags, simulator } = yield* startAppliance()
      const flag = (name: string) =>
        [...controllerFlags, ...nodeFlags].find((text) => text.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ""
      const endpoint = `unix://${directory}/csi.sock`
      const process = yield* startDriver(["all", "--cluster-id=from-flag"], {
        CSI_ENDPOINT: endpoint,
        METRICS_ADDRESS: "",
        RDS_ADDRESS: flag("rds-address"),
        RDS_PORT: flag("rds-port"),
        RDS_USER: flag("rds-user"),
        RDS_KEY_FILE: flag("rds-key-file"),
        RDS_HOST_KEY_FILE: flag("rds-host-key"),
        RDS_VOLUME_BASE_PATH: base,
        RDS_NVME_ADDRESS: "192.0.2.7",
        RDS_CLUSTER_ID: "from-environment",
        RDS_CSI_ATTACHMENTS: "memory",
        RDS_CSI_NODES: "node-x, node-y",
        NODE_ID: "node-z",
        RDS_CSI_SIMULATOR_SOCKET: flag("simulator-socket"),
        RDS_CSI_STATE_DIR: flag("state-dir"),
        RDS_CSI_NODE_EVENTS: "none"
      })
      yield* until(Effect.map(process.output, (text) => text.includes("serving CSI")))
      const controller = controllerCalls(yield* connect(endpoint))
      const { volumeContext, volumeId } = yield* controller.create(pvc(1))
      assert.strictEqual(volumeContext["nvmeAddress"], "192.0.2.7")
      assert.include((yield* simulator.device.disks)[0]?.comment, "cluster=from-flag")
      for (const nodeId of ["node-x", "node-y", "node-z"]) {
        yield* controller.publish(volumeId, nodeId)
        yield* controller.unpublish(volumeId, nodeId)
      }
    }))

  it.effect("understands the command lines of the Go driver, and says which of its flags have no effect", () =>
    Effect.gen(function*() {
      const { controllerFlags, directory, nodeFlags } = yield* startAppliance()
      const common = ["-node-id=node-a", "-metrics-address=", "-v=5"]
      const orphans = ["-orphan-check-interval=1h", "-orphan-grace-period=5m", "-orphan-dry-run=true"]
      const withoutEffect = ["-enable-vmi-serialization=true", "-vmi-cache-ttl=60s"]
      const single = controllerFlags.map((flag) => flag.slice(1))
      const endpoint = `unix://${directory}/controller.sock`
      const controller = yield* startDriver(
        [
          "-controller",
          `-endpoint=${endpoint}`,
          "-attachment-grace-period=30s",
          ...common,
          ...single,
          ...orphans,
          ...withoutEffect
        ]
      )
      const node = yield* startDriver(["-node", `-endpoint=unix://${directory}/node.sock`, ...common], {
        RDS_CSI_SIMULATOR_SOCKET: nodeFlags[1]?.split("=")[1] ?? "",
        RDS_CSI_STATE_DIR: `${directory}/state`,
        RDS_CSI_NODE_EVENTS: "none",
        CSI_MANAGED_NQN_PREFIX: "nqn.2000-02.com.mikrotik:pvc-"
      })
      for (const process of [controller, node]) {
        yield* until(Effect.map(process.output, (text) => text.includes("serving CSI")))
      }
      const calls = controllerCalls(yield* connect(endpoint))
      const { volumeId } = yield* calls.create(pvc(1))
      yield* calls.publish(volumeId, "node-a")
      const lines = yield* logLines(controller)
      const told = lines.map(({ message }) => message.split(" has no effect")).filter(({ length }) => length > 1)
      assert.deepStrictEqual(
        told.map(([flag]) => flag),
        withoutEffect.map((flag) => `-${flag.split("=")[0]}`)
      )
      const request = lines.find(({ message }) => message === "CreateVolume OK")?.annotations["request"]
      assert.isObject(request, "-v=5 logs requests")
    }))
})

layer(services, { excludeTestServices: true, concurrent: true })("the program's end", (it) => {
  /** The process ends by itself long before its drain limit of 20 seconds. */
  const ends = <E, R>(stop: Effect.Effect<number | undefined, E, R>) => Effect.timeout(stop, "5 seconds")

  it.effect("SIGTERM while idle: exit code 0 at once, and the socket is gone", () =>
    Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const { process, socket } = yield* startController()
      assert.strictEqual(yield* ends(process.stop("SIGTERM")), 0)
      assert.isFalse(yield* files.exists(socket))
    }))

  it.effect("SIGTERM while the appliance is away: exit code 0 at once", () =>
    Effect.gen(function*() {
      const { controllerFlags, directory } = yield* startAppliance()
      const flags = withFlags(controllerFlags, { "--rds-port": 1, "--insecure-skip-host-key-check": "true" })
      const { client, process } = yield* runDriver(`${directory}/csi.sock`, ["controller", ...flags])
      assert.strictEqual((yield* Effect.flip(controllerCalls(client).list())).code, "UNAVAILABLE")
      assert.strictEqual(yield* ends(process.stop("SIGTERM")), 0)
    }))

  it.effect("SIGTERM with a call in flight: the call is answered first", () =>
    Effect.gen(function*() {
      const { controller, process, simulator } = yield* startController({ faults: ["delay=500ms match=/disk/add"] })
      const call = yield* Effect.forkChild(controller.create(pvc(1)))
      yield* until(Effect.map(simulator.execs, (execs) => execs.some(({ faults }) => faults.length > 0)))
      assert.strictEqual(yield* ends(process.stop("SIGTERM")), 0)
      assert.strictEqual((yield* Fiber.join(call)).volumeId, pvc(1))
    }))

  it.effect("SIGTERM with a call that does not end: it is answered UNAVAILABLE when the limit is reached", () =>
    Effect.gen(function*() {
      const { controller, process, simulator } = yield* startController({
        faults: ["hang=during match=/disk/add"],
        flags: ["--drain-timeout=200ms"]
      })
      const call = yield* Effect.forkChild(Effect.flip(controller.create(pvc(1))))
      yield* until(Effect.map(simulator.execs, (execs) => execs.some(({ outcome }) => outcome === "hung")))
      assert.strictEqual(yield* ends(process.stop("SIGTERM")), 0)
      const { code, details } = yield* Fiber.join(call)
      assert.strictEqual(code, "UNAVAILABLE")
      assert.include(details, "the driver is stopping")
    }))
})

const secret = "S3CR3T-T0K3N"

layer(services, { excludeTestServices: true })("the program's log and metrics", (it) => {
  it.effect("one JSON line for each call that changes something, with volume and code; no secret even at debug", () =>
    Effect.gen(function*() {
      const { controllerFlags, directory, nodeFlags } = yield* startAppliance()
      const driver = yield* runDriver(`${directory}/csi.sock`, [
        "all",
        ...controllerFlags,
        ...nodeFlags,
        "--log-level=debug"
      ], { metricsAddress: "127.0.0.1:0" })
      const { call } = driver.client
      const volumeId = pvc(1)
      const secrets = { token: secret, password: secret }
      const paths = { stagingTargetPath: `${directory}/staging`, targetPath: `${directory}/target` }
      const files = yield* FileSystem.FileSystem
      yield* files.makeDirectory(paths.stagingTargetPath)
      const { volume } = yield* call(Controller.method.createVolume, createRequest(volumeId, { secrets }))
      const on = { volumeId, volumeCapability: filesystem, secrets, volumeContext: volume?.volumeContext ?? {} }
      const staged = { ...on, ...paths }
      const capacityRange = { requiredBytes: 2n * GiB }
      const changing: ReadonlyArray<readonly [name: string, call: Effect.Effect<unknown, RpcFailure>]> = [
        ["ControllerPublishVolume", call(Controller.method.controllerPublishVolume, { ...on, nodeId: "node-a" })],
        ["NodeStageVolume", call(Node.method.nodeStageVolume, staged)],
        ["NodePublishVolume", call(Node.method.nodePublishVolume, staged)],
        ["ControllerExpandVolume", call(Controller.method.controllerExpandVolume, { ...on, capacityRange })],
        [
          "NodeExpandVolume",
          call(Node.method.nodeExpandVolume, { ...staged, volumePath: paths.targetPath, capacityRange })
        ],
        ["NodeUnpublishVolume", call(Node.method.nodeUnpublishVolume, staged)],
        ["NodeUnstageVolume", call(Node.method.nodeUnstageVolume, staged)],
        ["ControllerUnpublishVolume", call(Controller.method.controllerUnpublishVolume, { ...on, nodeId: "node-a" })],
        ["DeleteVolume", call(Controller.method.deleteVolume, on)]
      ]
      for (const [, rpc] of changing) yield* rpc
      const refused = createRequest("refused", { secrets, parameters: { unknown: "x" } })
      yield* Effect.flip(call(Controller.method.createVolume, refused))

      const lines = yield* logLines(driver.process)
      for (const name of ["CreateVolume", ...changing.map(([name]) => name)]) {
        const told = lines.filter(({ annotations, message }) =>
          message === `${name} OK` && annotations["volume_id"] === volumeId && annotations["code"] === "OK"
        )
        assert.lengthOf(told, 1, name)
        assert.strictEqual(told[0]?.level, "INFO")
      }
      const refusal = lines.filter(({ message }) => message === "CreateVolume INVALID_ARGUMENT")
      assert.deepStrictEqual(refusal.map(({ level }) => level), ["WARN"])
      assert.include(refusal[0]?.annotations, { name: "refused", code: "INVALID_ARGUMENT" })
      assert.include(yield* driver.process.output, "***stripped***", "the requests are in the log at debug")
      assert.notInclude(yield* driver.process.output, secret)
      assert.strictEqual(yield* driver.process.output, yield* driver.process.errors, "stdout is not for logs")

      const response = yield* HttpClient.get(`${yield* opsUrl(driver.process)}/metrics`)
      const metrics = (yield* response.text).split("\n")
      for (const code of ["OK", "INVALID_ARGUMENT"]) {
        assert.include(metrics, `rds_csi_grpc_requests_total{method="CreateVolume",code="${code}"} 1`)
      }
    }))
})
