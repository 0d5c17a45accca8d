import { Effect, Fiber, Schedule } from "effect"
import { Controller } from "../src/csi/gen/csi_pb.ts"
import { createRequest } from "../test/support/Requests.ts"
import type { Cluster } from "./Cluster.ts"
import { emptyAppliance, holds, refusal } from "./Expectations.ts"
import * as Screen from "./Screen.ts"
import { expect, Steps } from "./Steps.ts"

const { method } = Controller

const volumes = {
  cut: "pvc-11111111-1111-4111-8111-111111111111",
  reboot: "pvc-22222222-2222-4222-8222-222222222222",
  full: "pvc-33333333-3333-4333-8333-333333333333",
  killed: "pvc-44444444-4444-4444-8444-444444444444"
}

/** Calls again until it works, as the sidecars do, only faster. */
const insist = Effect.retry({ times: 100, schedule: Schedule.spaced("50 millis") })

/** What happens to appliances, networks and processes, at the worst moment. */
export const mishaps = Effect.fnUntraced(function*(cluster: Cluster) {
  const { controller, fault, held, killController, noMoreFaults, startController } = cluster
  const { step } = yield* Steps
  const create = (name: string) => controller.call(method.createVolume, createRequest(name))
  const remove = (volumeId: string) => controller.call(method.deleteVolume, { volumeId })

  yield* Screen.heading("Things go wrong")
  yield* Screen.say("SSH is cut after the appliance has made the volume, before it could answer")
  yield* step(
    "CreateVolume",
    Effect.gen(function*() {
      yield* fault("cut=after match=/disk/add")
      yield* create(volumes.cut)
      yield* holds(cluster, 1)
      return "one call, one volume: the script was sent again"
    })
  )

  yield* Screen.say("the appliance restarts while it makes the volume: the file is there, the disk is not")
  yield* step(
    "CreateVolume, repeated until it works",
    Effect.gen(function*() {
      yield* fault("reboot=during step=2 match=/disk/add down=1s")
      yield* insist(create(volumes.reboot))
      yield* holds(cluster, 2)
      return "finished what was begun"
    })
  )

  yield* Screen.say("the pool is full")
  yield* step(
    "CreateVolume",
    Effect.gen(function*() {
      yield* fault("pool-full count=all")
      const answer = yield* refusal(create(volumes.full), "RESOURCE_EXHAUSTED", "free")
      yield* noMoreFaults
      yield* holds(cluster, 2)
      return `${answer}; nothing left behind`
    })
  )
  yield* step(
    "CreateVolume, after space was made",
    insist(create(volumes.full)).pipe(
      Effect.andThen(holds(cluster, 3)),
      Effect.as("made")
    )
  )

  yield* Screen.say("the controller is killed with -9 while the appliance makes the volume")
  yield* step(
    "CreateVolume, kill -9, restart, CreateVolume",
    Effect.gen(function*() {
      yield* fault("hang=during match=/disk/add")
      const call = yield* Effect.forkChild(Effect.exit(create(volumes.killed)))
      yield* held
      yield* killController
      yield* expect((yield* Fiber.join(call))._tag === "Failure", "the call of the killed process was answered")
      yield* startController
      yield* insist(create(volumes.killed))
      yield* holds(cluster, 4)
      return "the retry finished it"
    })
  )

  yield* Screen.say("and again while it deletes one: the disk is gone, the file is not")
  yield* step(
    "DeleteVolume, kill -9, restart, DeleteVolume",
    Effect.gen(function*() {
      yield* fault("hang=during step=2 match=/disk/remove")
      const call = yield* Effect.forkChild(Effect.exit(remove(volumes.killed)))
      yield* held
      yield* killController
      yield* Fiber.join(call)
      yield* startController
      yield* insist(remove(volumes.killed))
      yield* holds(cluster, 3)
      return "neither disk nor file left"
    })
  )

  yield* step(
    "DeleteVolume of all the others, at once",
    Effect.gen(function*() {
      yield* Effect.forEach([volumes.cut, volumes.reboot, volumes.full], remove, { concurrency: "unbounded" })
      yield* emptyAppliance(cluster)
      return "the appliance is as it was"
    })
  )
})
