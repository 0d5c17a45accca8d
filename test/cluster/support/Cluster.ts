import { NodeServices } from "@effect/platform-node"
import { Context, Effect, Layer, Option, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import { control } from "../../../src/simulator/ControlClient.ts"
import { openBareExec } from "../../support/BareExec.ts"
import { makeRawApi } from "../../support/kubernetes/RawApi.ts"
import { startSimulator } from "../../support/SimulatorProcess.ts"
import { driverNamespace } from "./Accounts.ts"
import { eventually } from "./Eventually.ts"
import { kubectl } from "./Kubectl.ts"
import { Attachment, Claim, Event, listOf, Volume } from "./Objects.ts"
import { type Sidecar, startReplica } from "./Replica.ts"

/** What was started before the tests; undefined when this machine lacks the programs. */
export const plane = inject("controlPlane")

export const driverName = "rds.csi.srvlab.io"
export const attachmentsPath = "/apis/storage.k8s.io/v1/volumeattachments"
const leasesPath = `/apis/coordination.k8s.io/v1/namespaces/${driverNamespace}/leases`

const everything: ReadonlyArray<Sidecar> = ["provisioner", "attacher", "resizer", "snapshotter"]

const State = Schema.Struct({
  disks: Schema.Array(Schema.Struct({ slot: Schema.String, nqn: Schema.String, fileSize: Schema.String })),
  files: Schema.Array(Schema.Struct({ path: Schema.String })),
  subvolumes: Schema.Array(Schema.Unknown)
})

/** The API as an administrator sees it, with what of it the tests look at. */
const makeApi = Effect.fnUntraced(function*(kubeconfig: string, namespace: string) {
  const raw = yield* makeRawApi(kubeconfig)
  const read = <A, I>(schema: Schema.Codec<A, I>, path: string) =>
    Effect.flatMap(raw("GET", path), Schema.decodeUnknownEffect(schema))
  const space = `/api/v1/namespaces/${namespace}`
  return {
    raw,
    read,
    space,
    claim: (name: string) => read(Claim, `${space}/persistentvolumeclaims/${name}`),
    volume: (name: string) => read(Volume, `/api/v1/persistentvolumes/${name}`),
    volumes: Effect.map(read(listOf(Volume), "/api/v1/persistentvolumes"), ({ items }) => items),
    attachments: Effect.map(read(listOf(Attachment), attachmentsPath), ({ items }) => items),
    leaseEvents: Effect.map(
      read(listOf(Event), `/api/v1/namespaces/${driverNamespace}/events`),
      ({ items }) => items.filter(({ involvedObject }) => involvedObject.kind === "Lease")
    ),
    /** What people are told about a claim, oldest first. */
    eventsOf: (name: string) =>
      Effect.map(
        read(listOf(Event), `${space}/events`),
        ({ items }) => items.filter(({ involvedObject }) => involvedObject.name === name)
      )
  }
})

/** The simulated appliance, in a process of its own. */
const startAppliance = Effect.fnUntraced(function*(flags: ReadonlyArray<string>) {
  const simulator = yield* startSimulator(flags)
  const { controlSocket, controllerFlags } = simulator
  return {
    /** Commands to it without a driver, as many at a time as the driver gives it. */
    bareExec: openBareExec(simulator),
    // Where attachments are noted is left to the manifest.
    controllerFlags: controllerFlags.filter((flag) => !flag.startsWith("--attachments=")),
    ask: (op: string, more: Readonly<Record<string, unknown>> = {}) => control(controlSocket, { op, ...more }),
    /** Disks and files that it holds. */
    state: Effect.flatMap(control(controlSocket, { op: "state" }), Schema.decodeUnknownEffect(State))
  }
})

const start = Effect.fnUntraced(function*(applianceFlags: ReadonlyArray<string>) {
  if (plane === undefined) return yield* Effect.die("there is no control plane")
  const namespace = `test-${randomUUID().slice(0, 8)}`
  const api = yield* makeApi(plane.kubeconfig, namespace)
  const appliance = yield* startAppliance(applianceFlags)
  yield* api.raw("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } })
  // The leaders of an earlier file did not get to give them back, if they were killed.
  yield* api.raw("DELETE", leasesPath)
  const before = yield* appliance.state
  // A file whose tests fail leaves things behind, which the next one is not to be blamed for.
  const others = new Set([...yield* api.volumes, ...yield* api.attachments].map(({ metadata }) => metadata.uid))
  const isNew = ({ metadata }: { readonly metadata: { readonly uid: string } }) => !others.has(metadata.uid)
  return {
    plane,
    namespace,
    ...api,
    appliance,
    newVolumes: Effect.map(api.volumes, (all) => all.filter(isNew)),
    kubectl: (...args: ReadonlyArray<string>) => kubectl(plane, ...args),
    replica: (flags: ReadonlyArray<string> = [], sidecars = everything) =>
      startReplica(plane, { sidecars, controllerFlags: [...appliance.controllerFlags, ...flags] }),
    /** Waits until neither the appliance nor the cluster has anything that was not there at the beginning. */
    nothingLeft: Effect.gen(function*() {
      yield* eventually(
        "left on the appliance",
        Effect.map(appliance.state, (now) => {
          const paths = new Set(before.files.map(({ path }) => path))
          const files = now.files.filter(({ path }) => !paths.has(path) && path.endsWith(".img"))
          const { disks, subvolumes } = now
          return disks.length === before.disks.length && files.length + subvolumes.length === 0
            ? Option.some(undefined)
            : { instead: { disks, files, subvolumes } }
        })
      )
      yield* eventually(
        "left in the cluster",
        Effect.map(Effect.all([api.volumes, api.attachments]), (all) => {
          const found = all.flat().filter(isNew)
          return found.length === 0 ? Option.some(undefined) : { instead: found }
        })
      )
    })
  }
})

/** An appliance and a namespace of its own, under the control plane that all tests share. */
export class Cluster extends Context.Service<Cluster, Effect.Success<ReturnType<typeof start>>>()(
  "test/cluster/Cluster"
) {
  static readonly layer = (applianceFlags: ReadonlyArray<string> = []) =>
    Layer.effect(Cluster, start(applianceFlags)).pipe(Layer.provideMerge(NodeServices.layer))
}
