import { type Duration, Effect, Exit, Ref, Schedule, Scope } from "effect"
import { Identity, Node, type VolumeCapability_AccessMode_Mode } from "../../../src/csi/gen/csi_pb.ts"
import { connect, type GrpcClient } from "../../support/GrpcClient.ts"
import { csiPort } from "./Machines.ts"
import type { Vm } from "./Vm.ts"

const { method } = Node

const metricsAddress = "127.0.0.1:9808"

/** What a test does with a volume, as the external sidecars and kubelet do it. */
export interface Claim {
  readonly volumeId: string
  readonly volumeContext: { readonly [key: string]: string }
  readonly volumeCapability: {
    readonly accessMode: { readonly mode: VolumeCapability_AccessMode_Mode }
    readonly accessType:
      | { readonly case: "mount"; readonly value: { readonly fsType: string } }
      | { readonly case: "block"; readonly value: object }
  }
}

/** The node plugin of a machine. */
export type NodePlugin = Effect.Success<ReturnType<typeof makeNodePlugin>>

/** The command that starts it on a machine of that name, with these flags besides; its socket is the agent's. */
export type PluginStart = (machine: string, flags: ReadonlyArray<string>) => ReadonlyArray<string>

/** The bundle, with the programs of the machine. */
const onMachine: PluginStart = (machine, flags) =>
  [
    ["node", "/programs/dist/rds-csi.js", "node", `--node-id=${machine}`, "--endpoint=unix:///run/rds-csi/csi.sock"],
    ["--state-dir=/var/lib/rds-csi", `--metrics-address=${metricsAddress}`, "--log-format=json"],
    ["--node-events=none", ...flags]
  ].flat()

/** A node plugin that does not run yet. */
export const makeNodePlugin = Effect.fnUntraced(function*(vm: Vm, command: PluginStart = onMachine) {
  const scope = yield* Scope.Scope
  const running = yield* Ref.make<
    | { readonly client: GrpcClient; readonly pid: number; readonly log: string; readonly life: Scope.Closeable }
    | undefined
  >(undefined)

  const current = Ref.get(running).pipe(
    Effect.flatMap((plugin) =>
      plugin === undefined ? Effect.die(`no plugin runs on ${vm.name}`) : Effect.succeed(plugin)
    )
  )
  /** As kubelet does, which calls again when it is told to; here sooner. */
  const call: GrpcClient["call"] = (method, request, options = { deadline: "90 seconds" }) =>
    Effect.flatMap(current, ({ client }) => client.call(method, request, options)).pipe(
      Effect.retry({
        while: ({ code }) => code === "ABORTED" || code === "UNAVAILABLE",
        schedule: Schedule.spaced("500 millis"),
        times: 40
      })
    )

  /** A call that is made once, and cancelled after that time. */
  const once = (deadline: Duration.Input): GrpcClient["call"] => (method, request) =>
    Effect.flatMap(current, ({ client }) => client.call(method, request, { deadline }))

  const startWith = Effect.fnUntraced(function*(flags: ReadonlyArray<string>) {
    const life = yield* Scope.fork(scope)
    const { log, outcome, pid } = yield* vm.start(command(vm.name, flags))
    const client = yield* connect(`127.0.0.1:${vm.port(csiPort)}`).pipe(Scope.provide(life))
    const ready = client.call(Identity.method.probe, {}, { deadline: "5 seconds" }).pipe(
      Effect.retry(Schedule.spaced("200 millis")),
      Effect.timeoutOrElse({
        duration: "6 minutes",
        orElse: () => Effect.flatMap(vm.sh(`cat ${log}`), (text) => Effect.die(`the node plugin is not ready: ${text}`))
      })
    )
    const ended = Effect.flatMap(outcome, ({ stdout }) => Effect.die(`the node plugin has ended: ${stdout}`))
    yield* Effect.raceFirst(ready, ended)
    yield* Ref.set(running, { client, pid, log, life })
  })

  const closed = Effect.flatMap(current, ({ life }) => Scope.close(life, Exit.void))

  return {
    vm,
    start: startWith([]),
    /** Starts it when it is dead, whoever killed it. */
    restart: Effect.andThen(closed, startWith([])),
    /** The same with more flags. */
    startWith,
    call,
    once,
    /** Its process in the machine. */
    pid: Effect.map(current, ({ pid }) => pid),
    /** Ends it as the kernel's memory killer would. */
    kill: Effect.gen(function*() {
      const { pid } = yield* current
      yield* vm.sh(`kill -KILL ${pid}`)
      yield* closed
    }),
    /** What it has logged since its start. */
    log: Effect.flatMap(current, ({ log }) => vm.sh(`cat ${log}`)),
    /** What it shows Prometheus. */
    metrics: vm.sh(`/bin/busybox wget -q -O - http://${metricsAddress}/metrics`),
    /** The calls for one volume, at the paths that kubelet uses; made by `callBy`, or as kubelet does. */
    volume: ({ volumeCapability, volumeContext, volumeId }: Claim, callBy = call) => {
      const kubelet = "/var/lib/kubelet"
      const isBlock = volumeCapability.accessType.case === "block"
      const stagingTargetPath = isBlock
        ? `${kubelet}/plugins/kubernetes.io/csi/volumeDevices/staging/${volumeId}`
        : `${kubelet}/plugins/kubernetes.io/csi/rds.csi.srvlab.io/${volumeId}/globalmount`
      const target = (pod: string) =>
        isBlock
          ? `${kubelet}/plugins/kubernetes.io/csi/volumeDevices/publish/${volumeId}/${pod}`
          : `${kubelet}/pods/${pod}/volumes/kubernetes.io~csi/${volumeId}/mount`
      return {
        staging: stagingTargetPath,
        /** What a pod finds its volume at. */
        target,
        stage: Effect.gen(function*() {
          yield* vm.sh(`mkdir -p ${stagingTargetPath}`)
          yield* callBy(method.nodeStageVolume, { volumeId, stagingTargetPath, volumeCapability, volumeContext })
        }),
        publish: Effect.fnUntraced(function*(pod: string, readonly: boolean = false) {
          const targetPath = target(pod)
          yield* vm.sh(`mkdir -p $(dirname ${targetPath})`)
          yield* callBy(method.nodePublishVolume, {
            volumeId,
            stagingTargetPath,
            targetPath,
            volumeCapability,
            volumeContext,
            readonly
          })
          return targetPath
        }),
        unpublish: (pod: string) => callBy(method.nodeUnpublishVolume, { volumeId, targetPath: target(pod) }),
        unstage: callBy(method.nodeUnstageVolume, { volumeId, stagingTargetPath }),
        expand: (requiredBytes: bigint, pod: string) =>
          callBy(method.nodeExpandVolume, {
            volumeId,
            stagingTargetPath,
            volumePath: target(pod),
            volumeCapability,
            capacityRange: { requiredBytes }
          }),
        stats: (pod: string) =>
          callBy(method.nodeGetVolumeStats, { volumeId, stagingTargetPath, volumePath: target(pod) }),
        /** Its condition as it shows at that path, such as the staging path. */
        condition: (volumePath: string) =>
          Effect.map(
            callBy(method.nodeGetVolumeStats, { volumeId, stagingTargetPath, volumePath }),
            ({ volumeCondition }) => ({ abnormal: volumeCondition?.abnormal, message: volumeCondition?.message ?? "" })
          )
      }
    }
  }
})
