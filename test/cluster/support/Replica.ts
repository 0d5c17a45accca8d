import { Effect, Exit, Scope } from "effect"
import process from "node:process"
import { bundle } from "../../support/DriverProcess.ts"
import { connect } from "../../support/GrpcClient.ts"
import { accountKubeconfig, driverNamespace } from "./Accounts.ts"
import type { ControlPlane } from "./ControlPlane.ts"
import { supervise, workDirectory } from "./Supervised.ts"

/** Groups of snapshots are more than the driver offers; who is asked for them wants further permissions. */
const noGroups = "--feature-gates=CSIVolumeGroupSnapshot=false"

/** The sidecars in the pod of the controller, and what each is told beside the socket, the cluster and its Lease. */
const sidecars = {
  provisioner: ["--extra-create-metadata", "--default-fstype=ext4"],
  attacher: ["--reconcile-sync=10s"],
  resizer: ["--handle-volume-inuse-error=false"],
  snapshotter: [noGroups]
} as const

export type Sidecar = keyof typeof sidecars

/** No test waits a quarter of a minute for the next leader, or because a sidecar may make five requests in a second. */
const common = [
  "--kube-api-qps=50",
  "--kube-api-burst=100",
  "--leader-election",
  `--leader-election-namespace=${driverNamespace}`,
  "--leader-election-lease-duration=4s",
  "--leader-election-renew-deadline=3s",
  "--leader-election-retry-period=1s"
]

export interface ReplicaOptions {
  /** Reach the appliance, and whatever else it is told. */
  readonly controllerFlags: ReadonlyArray<string>
  readonly sidecars: ReadonlyArray<Sidecar>
}

/**
 * What a pod of the controller is: the driver and its sidecars, each with the permissions of its own service account, and each
 * started again when it ends.
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
  const kubeconfig = yield* accountKubeconfig(plane, "rds-csi-controller", directory)
  const flags = [`--kubeconfig=${kubeconfig}`, `--endpoint=${socket}`, "--metrics-address="]
  return yield* supervise({
    name: "driver",
    directory,
    command: [process.execPath, bundle, "controller", ...controllerFlags, ...flags],
    env: { LOG_FORMAT: "json" }
  })
})

const startSidecar = Effect.fnUntraced(function*({ directory, plane, socket }: Place, name: Sidecar) {
  const kubeconfig = yield* accountKubeconfig(plane, `rds-csi-${name}`, directory)
  const flags = [`--csi-address=${socket}`, `--kubeconfig=${kubeconfig}`, "--timeout=90s", "--v=4"]
  return yield* supervise({
    name,
    directory,
    command: [`${plane.programs}/csi-${name}`, ...flags, "--retry-interval-start=200ms", ...common, ...sidecars[name]]
  })
})

/** What a cluster has once for all drivers. */
export const startSnapshotController = Effect.fnUntraced(function*(plane: ControlPlane) {
  const directory = yield* workDirectory("pod")
  const kubeconfig = yield* accountKubeconfig(plane, "rds-csi-snapshot-controller", directory)
  yield* supervise({
    name: "snapshot-controller",
    directory,
    command: [`${plane.programs}/snapshot-controller`, `--kubeconfig=${kubeconfig}`, "--v=4", noGroups, ...common]
  })
})
