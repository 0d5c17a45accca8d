import { Data, Effect, Schedule } from "effect"
import { HttpBody, HttpClient } from "effect/http"
import { emptyState, encodeState } from "../src/attachment/AttachmentState.ts"
import { control } from "../src/simulator/ControlClient.ts"
import { leastCommand, openBareExec } from "../test/support/BareExec.ts"
import { startOrchestrator } from "../test/support/Orchestrator.ts"
import { pvc } from "../test/support/Requests.ts"
import { startSimulator } from "../test/support/SimulatorProcess.ts"
import { metricOf } from "./Cluster.ts"
import { longestPause, watched } from "./EventLoop.ts"
import { measure, median, timed } from "./Load.ts"

/** A controller with a cluster of 1 000 attached volumes on 50 nodes. */
export interface InCluster {
  /** From the start of the process until it was known who holds what, in milliseconds. */
  readonly rebuildMillis: number
  /**
   * The longest time for which the event loop did not come around while all records and attachments were compared, and while
   * nothing was done: the median of some times. The collection of garbage is in it.
   */
  readonly pause: { readonly comparing: number; readonly idle: number }
  /** Medians in milliseconds: a grant, and what cannot be left out of one. */
  readonly publish: { readonly p50: number; readonly ssh: number; readonly api: number }
}

const nodes = Array.from({ length: 50 }, (_, n) => `node-${n}`)
const attached = Array.from({ length: 1_000 }, (_, n) => pvc(n))
const granted = Array.from({ length: 20 }, (_, n) => pvc(attached.length + n))
const apiMillis = 10
const sshMillis = 50

/** From a cause for a pass until the pass is certainly over. */
const passMillis = 2_000
const rounds = 5
const annotation = "rds.csi.srvlab.io/attachments"

/** A pass has not come when it should have, or took too long: what was measured says nothing. */
class PassMissing extends Data.TaggedError("PassMissing") {}

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
  const { client, process } = yield* startController("controller", ["--leader-election=false"], watched)
  const metric = metricOf(process)
  yield* metric("rds_csi_attachment_rebuild_duration_seconds").pipe(
    Effect.filterOrFail((seconds) => seconds > 0),
    Effect.retry(Schedule.spaced("20 millis"))
  )
  const rebuildMillis = 1e3 * (yield* metric("rds_csi_attachment_rebuild_duration_seconds"))

  const passes = metric("rds_csi_attachment_operation_duration_seconds_count{operation=\"reconcile\"}")
  const pausesAfter = (cause: (node: string) => void) =>
    Effect.forEach(
      nodes.slice(0, rounds),
      Effect.fnUntraced(function*(node) {
        yield* longestPause(process)
        cause(node)
        yield* Effect.sleep(passMillis)
        return yield* longestPause(process)
      })
    )
  yield* Effect.sleep(passMillis)
  const idle = yield* pausesAfter(() => undefined)
  const before = yield* passes
  const comparing = yield* pausesAfter((node) => cluster.setReady(node, false))
  if ((yield* passes) < before + rounds) return yield* new PassMissing()

  const volumes = yield* Effect.forEach(granted, (name) => provision(client, name), { concurrency: 4 })
  yield* control(simulator.controlSocket, { op: "add-fault", rule: `delay=${sshMillis}ms count=all` })
  const { exec } = yield* openBareExec(simulator)
  const ssh = yield* measure({ calls: volumes.length, inFlight: 1 }, () => exec(leastCommand))
  const api = yield* measure({ calls: volumes.length, inFlight: 1 }, () => write(cluster.url, granted[0] ?? ""))
  const grants = yield* Effect.forEach(volumes, (volume) => timed(publish(client, volume, "node-1")))
  const p50 = median(grants.map(([millis]) => millis))
  return {
    rebuildMillis,
    pause: { comparing: median(comparing), idle: median(idle) },
    publish: { p50, ssh: ssh.p50, api: api.p50 }
  } satisfies InCluster
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
