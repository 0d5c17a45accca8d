import { Effect, Schedule, Schema } from "effect"
import { Controller } from "../src/csi/gen/csi_pb.ts"
import type { Provisioned } from "../test/support/Orchestrator.ts"
import type { Cluster } from "./Cluster.ts"
import { emptyAppliance, refusal } from "./Expectations.ts"
import * as Screen from "./Screen.ts"
import { expect, Steps, Unexpected } from "./Steps.ts"

/** Where the driver keeps who holds a volume, and how far a running migration is. */
const annotation = "rds.csi.srvlab.io/attachments"

const Record = Schema.fromJsonString(
  Schema.StructWithRest(
    Schema.Struct({
      migration: Schema.StructWithRest(Schema.Struct({ startedAt: Schema.Int, deadline: Schema.Int }), [
        Schema.Record(Schema.String, Schema.Json)
      ])
    }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
)

/** Who holds a shared volume while a virtual machine moves, and when things go wrong meanwhile. */
export const migrations = Effect.fnUntraced(function*(cluster: Cluster) {
  const { controller, killController, orchestrator, startController } = cluster
  const { step } = yield* Steps
  const { attach, detach, provision, publish } = orchestrator
  const name = "pvc-5c2d9e60-7b1f-4f3a-8d24-91e0a6b7c3f4"

  yield* Screen.heading("A virtual machine moves")
  const volume = yield* provision(controller, name, { isShared: true, parameters: { migrationTimeoutSeconds: "300" } })
  const event = (reason: string) => eventOf(cluster, volume, reason)
  yield* step("its disk is attached to node-a", Effect.as(attach(controller, volume, "node-a"), "held by one node"))
  yield* step(
    "the disk is attached to node-b as well",
    Effect.andThen(attach(controller, volume, "node-b"), event("MigrationStarted"))
  )
  yield* step(
    "node-c",
    refusal(publish(controller, volume, "node-c"), "FAILED_PRECONDITION", "at most two nodes")
  )
  yield* step(
    "the machine runs on node-b, node-a is detached",
    Effect.andThen(detach(controller, volume, "node-a"), event("MigrationCompleted"))
  )

  yield* Screen.say("the next migration hangs; the controller is killed with -9 one second before its time is up")
  yield* step(
    "the disk is attached to node-c; kill -9, restart",
    Effect.gen(function*() {
      yield* attach(controller, volume, "node-c")
      yield* killController
      yield* setBack(cluster, volume, 299_000)
      yield* startController
      return yield* event("MigrationFailed")
    })
  )
  yield* step(
    "node-a, as long as neither side has left",
    refusal(insistOnAnswer(publish(controller, volume, "node-a")), "FAILED_PRECONDITION", "node-b")
  )
  yield* step(
    "node-c is detached",
    Effect.gen(function*() {
      yield* detach(controller, volume, "node-c")
      const { MigrationCompleted, MigrationFailed } = orchestrator.told(volume.volumeId)
      yield* expect(MigrationCompleted === 1 && MigrationFailed === 1, "a migration has ended twice")
      return "each migration has ended once"
    })
  )

  yield* nodeDeleted(cluster, volume)
})

/** A Node object can be deleted while its machine goes on writing. */
const nodeDeleted = Effect.fnUntraced(function*(cluster: Cluster, volume: Provisioned) {
  const { controller, orchestrator } = cluster
  const { step } = yield* Steps
  const { attach, detach, publish } = orchestrator
  yield* Screen.say("node-b is deleted from the cluster while it holds the disk")
  orchestrator.cluster.removeNode("node-b")
  const single = { ...volume, shared: false }
  yield* step(
    "node-a, while the VolumeAttachment says that node-b is attached",
    refusal(publish(controller, single, "node-a"), "FAILED_PRECONDITION", "node-b")
  )
  orchestrator.cluster.forget(volume.volumeId, "node-b")
  yield* step(
    "node-a, when the VolumeAttachment and the grace period are over",
    publish(controller, single, "node-a").pipe(
      // A pass that meets one of these calls leaves the volume to the next, ten seconds later.
      Effect.retry({ times: 60, schedule: Schedule.spaced("250 millis") }),
      Effect.as("attached")
    )
  )
  yield* step(
    "detached and deleted",
    Effect.gen(function*() {
      yield* attach(controller, single, "node-a")
      yield* detach(controller, single, "node-a")
      yield* controller.call(Controller.method.deleteVolume, { volumeId: volume.volumeId })
      yield* emptyAppliance(cluster)
      return "nothing left"
    })
  )
})

/** Waits for the event that people see with `kubectl describe pvc`. */
const eventOf = ({ orchestrator }: Cluster, { volumeId }: Provisioned, reason: string) =>
  Effect.suspend(() => {
    const event = orchestrator.events(volumeId).find((event) => event.reason === reason)
    return event === undefined
      ? Effect.fail(new Unexpected({ message: `no event ${reason}` }))
      : Effect.succeed(`event ${reason}`)
  }).pipe(Effect.retry({ times: 500, schedule: Schedule.spaced("10 millis") }))

/** Calls again while the controller has not taken over yet who holds what. */
const insistOnAnswer = <A, E extends { readonly code: string }>(call: Effect.Effect<A, E>) =>
  Effect.retry(call, { while: ({ code }) => code === "UNAVAILABLE", schedule: Schedule.spaced("50 millis") })

/** Lets a recorded migration have begun earlier, so that nobody has to wait for its end. */
const setBack = Effect.fnUntraced(function*({ orchestrator }: Cluster, { volumeId }: Provisioned, millis: number) {
  const text = orchestrator.cluster.annotationsOf(volumeId)[annotation]
  const { migration, ...record } = yield* Schema.decodeUnknownEffect(Record)(text)
  const earlier = { ...migration, startedAt: migration.startedAt - millis, deadline: migration.deadline - millis }
  orchestrator.cluster.annotate(volumeId, { [annotation]: JSON.stringify({ ...record, migration: earlier }) })
})
