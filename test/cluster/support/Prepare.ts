import { Effect, Schedule } from "effect"
import { fileURLToPath } from "node:url"
import { separateAccounts } from "./Accounts.ts"
import type { ControlPlane } from "./ControlPlane.ts"
import { kubectl } from "./Kubectl.ts"

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url))

/** Waits for the API server, and makes what a cluster has before the driver comes: the kinds of snapshots. */
export const prepareCluster = Effect.fnUntraced(function*(plane: ControlPlane) {
  yield* kubectl(plane, "get", "--raw=/readyz").pipe(
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.timeout("2 minutes")
  )
  yield* kubectl(plane, "apply", "--server-side", "--filename", `${plane.programs}/crd`)
  yield* kubectl(plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
})

/** Installs the driver as it is shipped, and gives each of its containers an account of its own. */
export const installDriver = Effect.fnUntraced(function*(plane: ControlPlane) {
  // What is established may take a moment until it is told to those who ask which kinds there are.
  yield* kubectl(plane, "apply", "--server-side", "--kustomize", "manifests/base").pipe(
    Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 20 })
  )
  yield* kubectl(plane, "apply", "--server-side", "--filename", fixtures)
  yield* separateAccounts(plane)
})
