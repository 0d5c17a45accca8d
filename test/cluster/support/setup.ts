import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, ManagedRuntime, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { setup as buildIfStale } from "../../../scripts/build-if-stale.ts"
import { canBuild } from "../../../scripts/go.ts"
import { provideTools } from "../../../scripts/manifests/tools.ts"
import { type ControlPlane, startControlPlane } from "./ControlPlane.ts"
import { installDriver, prepareCluster } from "./Prepare.ts"
import { providePrograms } from "./Programs.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** undefined: it cannot be built on this machine. */
    readonly controlPlane: ControlPlane | undefined
  }
}

/** Called by vitest before the tests: one control plane for all of them. */
export const setup = async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  if (!await canBuild("the control plane")) {
    console.log("the tests under a control plane are skipped: it is built with Go, and there is no Go")
    project.provide("controlPlane", undefined)
    return undefined
  }
  const [programs] = await Promise.all([providePrograms(), buildIfStale()])
  // Helm, which takes minutes to build the first time: no test is to wait for it.
  await provideTools()
  const runtime = ManagedRuntime.make(NodeServices.layer)
  const scope = await Effect.runPromise(Scope.make())
  const started = startControlPlane(programs).pipe(
    Effect.tap(prepareCluster),
    Effect.tap(installDriver),
    Scope.provide(scope)
  )
  project.provide("controlPlane", await runtime.runPromise(started))
  return async () => {
    await runtime.runPromise(Scope.close(scope, Exit.void))
    await runtime.dispose()
  }
}
