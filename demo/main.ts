import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Clock, Effect } from "effect"
import { startAppliance, startCluster } from "./Cluster.ts"
import { migrations } from "./Migrations.ts"
import { mishaps } from "./Mishaps.ts"
import * as Screen from "./Screen.ts"
import { snapshots } from "./Snapshots.ts"
import { expect, Steps, Unexpected } from "./Steps.ts"
import { blockVolume, filesystemVolume } from "./VolumeLife.ts"

/** Starts the real driver and a simulated appliance, and shows a volume's life and what survives which mishap. */
const demo = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  yield* Screen.heading("rds-csi: an appliance, a controller and a node plugin, each a process of its own")
  const appliance = yield* startAppliance
  yield* Screen.say("the appliance is simulated: RouterOS 7.24.4 with a Btrfs pool over real SSH, 10 ms away")
  const cluster = yield* startCluster(appliance)
  yield* Screen.say(
    "the API server is one in memory; controller and node plugin are the real ones, called as Kubernetes would"
  )

  yield* Effect.gen(function*() {
    const { failures } = yield* Steps
    yield* filesystemVolume(cluster)
    yield* blockVolume(cluster)
    yield* snapshots(cluster)
    yield* migrations(cluster)
    yield* mishaps(cluster)
    const failed = yield* failures
    yield* Screen.verdict(failed, ((yield* Clock.currentTimeMillis) - start) / 1000)
    yield* expect(failed === 0, `${failed} failed`)
  }).pipe(Effect.provide(Steps.layer(Effect.orElseSucceed(cluster.wire, () => []))))
}).pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: "60 seconds",
    orElse: () => Effect.fail(new Unexpected({ message: "the demo did not end within 60 seconds" }))
  })
)

NodeRuntime.runMain(Effect.provide(demo, NodeServices.layer))
