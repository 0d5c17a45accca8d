import { NodeServices } from "@effect/platform-node"
import { Context, Effect, FileSystem, Layer } from "effect"
import { inject } from "vitest"
import { type Lan, makeLan } from "./Lan.ts"
import { makeVm, type Vm, type VmOptions } from "./Vm.ts"

/** What scripts/vm/setup.ts has prepared; undefined when this machine lacks the programs. */
export const prepared = inject("vm")

/** The port of the simulated appliance's SSH. */
export const sshPort = 2222

/** Where a client on the test's side reaches the CSI socket of a node. */
export const csiPort = 7002

/** An appliance and two nodes on one network; they are off. */
export class Machines extends Context.Service<Machines, {
  readonly directory: string
  readonly lan: Lan
  readonly rds: Vm
  readonly nodeA: Vm
  readonly nodeB: Vm
}>()("test/vm/Machines") {
  static readonly layer = Layer.suspend(() => machinesWith())
  /** With a read-only disk more in node A. */
  static readonly withDisk = (extraDisk: string) => machinesWith(extraDisk)
}

const machinesWith = (extraDisk?: string) =>
  Layer.effect(
    Machines,
    Effect.gen(function*() {
      if (prepared === undefined) return yield* Effect.die("nothing was prepared")
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-vm-" })
      const lan = makeLan(directory)
      const make = Effect.fnUntraced(
        function*(name: string, number: number, more: Pick<VmOptions, "extraDisk" | "modules" | "ports">) {
          const socket = yield* lan.socketOf(name)
          const address = `${addressOf(number)}/24`
          return yield* makeVm({ ...prepared, ...more, name, number, address, directory, lan: socket })
        }
      )
      const ofNode = { modules: ["nvme-tcp", "xfs"], ports: [csiPort] }
      const rds = yield* make("rds", 1, { modules: ["nvmet-tcp"], ports: [sshPort] })
      const nodeA = yield* make("node-a", 2, { ...ofNode, extraDisk })
      const nodeB = yield* make("node-b", 3, ofNode)
      return { directory, lan, rds, nodeA, nodeB }
    })
  ).pipe(Layer.provideMerge(NodeServices.layer))

const addressOf = (number: number) => `10.77.0.${number}`

/** Of the appliance on the LAN. */
export const applianceAddress = addressOf(1)
