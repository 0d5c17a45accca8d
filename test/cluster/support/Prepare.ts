import { Effect, Schedule } from "effect"
import { fileURLToPath } from "node:url"
import type { ControlPlane } from "./ControlPlane.ts"
import { kubectl } from "./Kubectl.ts"

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url))

/** Waits for the API server, and makes what an installation of the driver makes. */
export const prepareCluster = Effect.fnUntraced(function*(plane: ControlPlane) {
  yield* kubectl(plane, "get", "--raw=/readyz").pipe(
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.timeout("2 minutes")
  )
  yield* kubectl(plane, "apply", "--server-side", "--filename", `${plane.programs}/crd`)
  yield* kubectl(plane, "apply", "--server-side", "--filename", fixtures)
  yield* kubectl(plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
})
