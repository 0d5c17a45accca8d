import { Effect, Exit, Scope } from "effect"
import { execPath } from "node:process"
import { environmentOf } from "../../install/Objects.ts"
import { bundle } from "../../support/DriverProcess.ts"
import { connect } from "../../support/GrpcClient.ts"
import { accountKubeconfig, driverNamespace } from "./Accounts.ts"
import type { ControlPlane } from "./ControlPlane.ts"
import { memoryOf } from "./Memory.ts"
import { changed, shipped } from "./Shipped.ts"
import { supervise, workDirectory } from "./Supervised.ts"

/** No test waits a quarter of a minute for the next leader, or because a sidecar may make five requests in a second. */
const hurried = [
  "--kube-api-qps=50",
  "--kube-api-burst=100",
  "--leader-election",
  `--leader-election-namespace=${driverNamespace}`,
  "--leader-election-lease-duration=4s",
  "--leader-election-renew-deadline=3s",
  "--leader-election-retry-period=1s"
]

/** The sidecars in the pod of the controller, and what each is told in the place of a longer time. */
const sidecars = {
  provisioner: [],
  attacher: ["--reconcile-sync=10s"],
  resizer: [],
  snapshotter: []
} as const

export type Sidecar = keyof typeof sidecars

export interface ReplicaOptions {
  /** Reach the appliance, and whatever else it is told; each in the place of the manifest's flag of that name. */
  readonly controllerFlags: ReadonlyArray<string>
  readonly sidecars: ReadonlyArray<Sidecar>
}

/**
 * What a pod of the controller is: the driver and its sidecars, started as the manifest says, each with the permissions of its own
 * roles, and each started again when it ends.
 */
export const startReplica = Effect.fnUntraced(function*(plane: ControlPlane, options: ReplicaOptions) {
  const life = yield* Scope.fork(yield* Effect.scope)
  const directory = yield* workDirectory("pod")
  const socket = `unix://${directory}/csi.sock`
  const place = { plane, directory, socket }
  const driver = yield* Scope.provide(startDriver(place, options), life)
  const started = yield* Effect.forEach(options.sidecars, (name) => Scope.provide(startSidecar(place, name), life))
  const processes = [driver, ...started]
  return {
    driver,
    /** The log of all that ran in it. */
    log: Effect.map(Effect.all(processes.map(({ log }) => log)), (logs) => logs.join("\n")),
    memory: Effect.forEach(
      processes,
      ({ container, pid }) => Effect.flatMap(pid, (current) => memoryOf(container, current))
    ),
    sidecar: (name: Sidecar) => Effect.fromNullishOr(started.find((one) => one.name === name)),
    /** Calls the driver beside its sidecars. */
    client: connect(socket),
    /** The machine loses power: nothing of it ends in order, and nothing comes back. */
    cut: Effect.andThen(
      Effect.forEach(processes, ({ kill }) => kill("SIGKILL"), { discard: true }),
      Scope.close(life, Exit.void)
    )
  }
})

interface Place {
  readonly plane: ControlPlane
  readonly directory: string
  readonly socket: string
}

const startDriver = Effect.fnUntraced(function*(
  { directory, plane, socket }: Place,
  { controllerFlags }: ReplicaOptions
) {
  const container = shipped("rds-csi-driver")
  const kubeconfig = yield* accountKubeconfig(plane, "rds-csi-controller-driver", directory)
  // Several of them share this machine's ports.
  const flags = [`--kubeconfig=${kubeconfig}`, `--endpoint=${socket}`, "--metrics-address="]
  const process = yield* supervise({
    name: "driver",
    directory,
    command: [execPath, bundle, ...changed(container.args, [...controllerFlags, ...flags])],
    env: environmentOf(container)
  })
  return { container, ...process }
})

const startSidecar = Effect.fnUntraced(function*({ directory, plane, socket }: Place, name: Sidecar) {
  const container = shipped(`csi-${name}`)
  const kubeconfig = yield* accountKubeconfig(plane, `rds-csi-controller-${name}`, directory)
  const flags = [`--csi-address=${socket}`, `--kubeconfig=${kubeconfig}`, "--timeout=90s", "--v=4"]
  const changes = [...flags, "--retry-interval-start=200ms", ...hurried, ...sidecars[name]]
  const process = yield* supervise({
    name,
    directory,
    command: [`${plane.programs}/csi-${name}`, ...changed(container.args, changes)],
    env: environmentOf(container)
  })
  return { container, ...process }
})

/** What a cluster has once for all drivers. Groups of snapshots are more than this one offers. */
export const startSnapshotController = Effect.fnUntraced(function*(plane: ControlPlane) {
  const directory = yield* workDirectory("pod")
  const kubeconfig = yield* accountKubeconfig(plane, "rds-csi-snapshot-controller", directory)
  const noGroups = "--feature-gates=CSIVolumeGroupSnapshot=false"
  yield* supervise({
    name: "snapshot-controller",
    directory,
    command: [`${plane.programs}/snapshot-controller`, `--kubeconfig=${kubeconfig}`, "--v=4", noGroups, ...hurried]
  })
})
