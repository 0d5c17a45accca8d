import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Duration } from "effect"
import { NodeServiceCapability_RPC_Type as Rpc } from "../../../src/csi/gen/csi_pb.ts"
import { nodeGetInfo } from "../../../src/csi/node/Info.ts"
import * as Kit from "./NodeKit.ts"

it.effect("NodeGetInfo announces the node, without a topology", () =>
  Effect.gen(function*() {
    const { driver } = yield* Kit.setUp()
    assert.deepStrictEqual(yield* driver.info, { nodeId: "worker-1", maxVolumesPerNode: 0n })
  }))

it.effect("NodeGetInfo answers the limit of volumes", () =>
  Effect.gen(function*() {
    const config = { nodeId: "n", maxVolumes: 64, deviceTimeout: Duration.seconds(1) }
    assert.deepStrictEqual(yield* nodeGetInfo(config)(), { nodeId: "n", maxVolumesPerNode: 64n })
  }))

it.effect("NodeGetCapabilities", () =>
  Effect.gen(function*() {
    const { driver } = yield* Kit.setUp()
    assert.sameMembers((yield* driver.capabilities).capabilities.map(({ type }) => type.value.type), [
      Rpc.STAGE_UNSTAGE_VOLUME,
      Rpc.GET_VOLUME_STATS,
      Rpc.EXPAND_VOLUME,
      Rpc.VOLUME_CONDITION,
      Rpc.SINGLE_NODE_MULTI_WRITER
    ])
  }))
