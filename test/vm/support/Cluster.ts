import { Context, Effect, FileSystem, Layer } from "effect"
import { Controller } from "../../../src/csi/gen/csi_pb.ts"
import { type ControllerCalls, controllerCalls } from "../../support/ControllerCalls.ts"
import { insist } from "../../support/Insist.ts"
import type { CreateFields } from "../../support/Requests.ts"
import { base, runDriver } from "../../support/TestCluster.ts"
import { type Appliance, makeAppliance } from "./Appliance.ts"
import { inContainer } from "./Container.ts"
import { applianceAddress, Machines, sshPort } from "./Machines.ts"
import { type Claim, makeNodePlugin, type NodePlugin, type PluginStart } from "./NodePlugin.ts"

const publish = Controller.method.controllerPublishVolume

/** An appliance, a controller beside the test, and a node plugin on each node; all of them run. */
export class Cluster extends Context.Service<Cluster, {
  readonly appliance: Appliance
  readonly controller: ControllerCalls
  readonly nodeA: NodePlugin
  readonly nodeB: NodePlugin
  /**
   * A new volume, attached to these nodes. `parameters` are those of its class; `reconnectDelay` is 2 unless they say. `fields`
   * are what else the request has.
   */
  claim(
    name: string,
    capability: Claim["volumeCapability"],
    nodes: ReadonlyArray<NodePlugin>,
    parameters?: Readonly<Record<string, string>>,
    fields?: CreateFields
  ): Effect.Effect<Claim>
}>()("test/vm/Cluster") {
  /** With two nodes. */
  static readonly layer = Layer.suspend(() => clusterOf({ nodes: 2 }))
  /** With node A alone; node B stays off. */
  static readonly oneNode = Layer.suspend(() => clusterOf({ nodes: 1 }))
  /** The same, with Btrfs on the appliance. */
  static readonly oneNodeOnBtrfs = Layer.suspend(() => clusterOf({ nodes: 1, fs: "btrfs" }))
  /** With node A alone, whose plugin runs in the image on that disk. */
  static readonly oneNodeInImage = (disk: string) =>
    clusterOf({ nodes: 1, start: inContainer, machines: Machines.withDisk(disk) })
}

interface ClusterOptions {
  readonly nodes: 1 | 2
  readonly fs?: "btrfs"
  /** Of node A. */
  readonly start?: PluginStart
  readonly machines?: typeof Machines.layer
}

const clusterOf = ({ fs, machines: layer = Machines.layer, nodes, start }: ClusterOptions) =>
  Layer.effect(
    Cluster,
    Effect.gen(function*() {
      const { directory, rds, ...machines } = yield* Machines
      const on = [machines.nodeA, machines.nodeB].slice(0, nodes)
      yield* Effect.forEach([rds, ...on], (vm) => vm.powerOn, { concurrency: 3, discard: true })
      const files = yield* FileSystem.FileSystem
      const appliance = yield* makeAppliance(rds, fs)
      const nodeA = yield* makeNodePlugin(machines.nodeA, start)
      const nodeB = yield* makeNodePlugin(machines.nodeB)
      const startController = Effect.gen(function*() {
        const { hostKey } = yield* appliance.start
        yield* files.writeFileString(`${directory}/key`, appliance.privateKey, { mode: 0o600 })
        yield* files.writeFileString(`${directory}/host-key`, `${hostKey}\n`)
        const { client } = yield* runDriver(
          `${directory}/controller.sock`,
          [
            ["controller", "--attachments=memory", "--nodes=node-a,node-b", `--rds-volume-base-path=${base}`],
            ["--rds-address=127.0.0.1", `--rds-port=${rds.port(sshPort)}`, "--rds-user=csi"],
            [`--rds-key-file=${directory}/key`, `--rds-host-key=${directory}/host-key`]
          ].flat()
        )
        return client
      })
      const starts = [nodeA.start, nodeB.start].slice(0, nodes)
      const [client] = yield* Effect.all([startController, Effect.all(starts, { concurrency: 2 })], { concurrency: 2 })
      const controller = controllerCalls(client)
      return {
        appliance,
        controller,
        nodeA,
        nodeB,
        claim: (name, volumeCapability, on, more = {}, fields = {}) =>
          Effect.gen(function*() {
            const parameters = { nvmeAddress: applianceAddress, reconnectDelay: "2", ...more }
            const { volumeContext, volumeId } = yield* insist(
              controller.create(name, { parameters, volumeCapabilities: [volumeCapability], ...fields })
            )
            for (const { vm } of on) {
              yield* insist(client.call(publish, { volumeId, nodeId: vm.name, volumeCapability }))
            }
            return { volumeId, volumeContext, volumeCapability }
          }).pipe(Effect.orDie)
      }
    })
  ).pipe(Layer.provideMerge(layer))
