import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type { RpcFailure } from "../../support/GrpcClient.ts"
import { block, filesystem } from "../../support/Requests.ts"
import type { GuestError } from "./Agent.ts"
import type { Claim, NodePlugin } from "./NodePlugin.ts"
import type { Vm } from "./Vm.ts"

/** ReadWriteOnce with that file system. */
export const formatted = (fsType: "ext3" | "ext4" | "xfs"): Claim["volumeCapability"] => ({
  ...filesystem,
  accessType: { case: "mount", value: { fsType } }
})

/** ReadWriteOnce with volumeMode Block. */
export const raw: Claim["volumeCapability"] = block

/** Staged, and published to one pod: answers the path the pod has. */
export const attach = Effect.fnUntraced(function*(plugin: NodePlugin, claim: Claim, pod: string) {
  const volume = plugin.volume(claim)
  yield* volume.stage
  return { ...volume, path: yield* volume.publish(pod) }
})

/** Runs the script until its exit code is 0, for 40 seconds. */
export const eventually = (vm: Vm, script: string) =>
  vm.sh(script).pipe(Effect.retry({ times: 200, schedule: Schedule.spaced("200 millis") }))

/** The call fails with that status. */
export const refused = Effect.fnUntraced(function*<A>(call: Effect.Effect<A, RpcFailure | GuestError>, code: string) {
  const failure = yield* Effect.flip(call)
  if (failure._tag !== "RpcFailure") return yield* Effect.die(failure)
  assert.strictEqual(failure.code, code, failure.details)
  return failure.details
})

/** How many mounts lie on the path. */
export const mountsAt = (vm: Vm, path: string) =>
  Effect.map(vm.sh(`cut -d " " -f 5 /proc/1/mountinfo | grep -cxF '${path}' || true`), Number)

/** Nothing of the volume is left on the node: no controller, no mount. */
export const isClean = Effect.fnUntraced(function*({ vm }: NodePlugin, { volumeId }: Claim) {
  assert.strictEqual(yield* vm.sh(`grep -l ${volumeId} /sys/class/nvme/*/subsysnqn 2>/dev/null || true`), "")
  assert.strictEqual(yield* vm.sh(`grep ${volumeId} /proc/1/mountinfo || true`), "")
})
