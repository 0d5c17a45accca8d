import { Effect, Fiber, Schedule } from "effect"
import { HttpBody, HttpClient } from "effect/http"
import { emptyState, encodeState } from "../src/attachment/AttachmentState.ts"
import { Identity } from "../src/csi/gen/csi_pb.ts"
import { control } from "../src/simulator/ControlClient.ts"
import { startOrchestrator } from "../test/support/Orchestrator.ts"
import { pvc } from "../test/support/Requests.ts"
import { startSimulator } from "../test/support/SimulatorProcess.ts"
import { openBareExec } from "./BareExec.ts"
import { metricOf } from "./Cluster.ts"
import { measure, percentile, timed } from "./Load.ts"

/** A controller with a cluster of 1 000 attached volumes on 50 nodes. */
export interface InCluster {
  /** From the start of the process until it was known who holds what, in milliseconds. */
  readonly rebuildMillis: number
  /** The longest that a Probe waited while all records and attachments were compared, and at other times. */
  readonly pause: { readonly comparing: number; readonly idle: number }
  /** Medians in milliseconds: a grant, and what cannot be left out of one. */
  readonly publish: { readonly p50: number; readonly ssh: number; readonly api: number }
}

const nodes = Array.from({ length: 50 }, (_, n) => `node-${n}`)
const attached = Array.from({ length: 1_000 }, (_, n) => pvc(n))
const granted = Array.from({ length: 20 }, (_, n) => pvc(attached.length + n))
const apiMillis = 10
const sshMillis = 50
const annotation = "rds.csi.srvlab.io/attachments"

/** Starts the controller against an API server in this process that takes 10 ms for every request. */
export const measureInCluster = Effect.gen(function*() {
  const simulator = yield* startSimulator()
  const { cluster, provision, publish, startController } = yield* startOrchestrator(simulator, nodes, {
    latency: apiMillis
  })
  for (const [n, volume] of attached.entries()) {
    const node = nodes[n % nodes.length] ?? ""
    cluster.addVolume(volume, { annotations: { [annotation]: heldBy(node) } })
    cluster.attached(cluster.attach(volume, node), node)
  }
  const { client, process } = yield* startController("controller", ["--leader-election=false"])
  const metric = metricOf(process)
  yield* metric("rds_csi_attachment_rebuild_duration_seconds").pipe(
    Effect.filterOrFail((seconds) => seconds > 0),
    Effect.retry(Schedule.spaced("20 millis"))
  )
  const rebuildMillis = 1e3 * (yield* metric("rds_csi_attachment_rebuild_duration_seconds"))

  const longestPause = Effect.gen(function*() {
    const answers = yield* measure({ calls: 400, inFlight: 1 }, () => client.call(Identity.method.probe, {}))
    return answers.slowest
  })
  yield* longestPause
  const idle = yield* longestPause
  const compared = metric("rds_csi_attachment_operation_duration_seconds_count{operation=\"reconcile\"}")
  const before = yield* compared
  const comparing = yield* Effect.forkChild(
    Effect.repeat(longestPause, { until: () => Effect.map(compared, (count) => count > before) })
  )
  cluster.setReady("node-0", false)
  const pause = { comparing: yield* Fiber.join(comparing), idle }

  const volumes = yield* Effect.forEach(granted, (name) => provision(client, name), { concurrency: 4 })
  yield* control(simulator.controlSocket, { op: "add-fault", rule: `delay=${sshMillis}ms count=all` })
  const { exec } = yield* openBareExec(simulator)
  const ssh = yield* measure({ calls: volumes.length, inFlight: 1 }, () => exec)
  const api = yield* measure({ calls: volumes.length, inFlight: 1 }, () => write(cluster.url, granted[0] ?? ""))
  const grants = yield* Effect.forEach(volumes, (volume) => timed(publish(client, volume, "node-1")))
  const p50 = percentile(grants.map(([millis]) => millis).sort((a, b) => a - b), 0.5)
  return { rebuildMillis, pause, publish: { p50, ssh: ssh.p50, api: api.p50 } } satisfies InCluster
}).pipe(Effect.scoped)

const heldBy = (nodeId: string) =>
  encodeState({
    ...emptyState,
    revision: 1,
    holders: [{ nodeId, accessMode: "SINGLE_NODE_WRITER", readonly: false, since: 0, adopted: false }]
  })

/** The least that records anything: one merge patch of a PersistentVolume. */
const write = (url: string, volume: string) =>
  HttpClient.patch(`${url}/api/v1/persistentvolumes/${volume}`, {
    body: HttpBody.text(
      JSON.stringify({ metadata: { annotations: { bench: volume } } }),
      "application/merge-patch+json"
    )
  }).pipe(Effect.flatMap((response) => response.text))
