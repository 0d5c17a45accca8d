import { Data, Effect } from "effect"
import { run } from "../../../scripts/run.ts"
import type { ControlPlane } from "./ControlPlane.ts"

class KubectlFailed extends Data.TaggedError("KubectlFailed")<{ readonly message: string }> {}

/** Answers what it writes; fails when it does not end with 0. */
export const kubectl = ({ kubeconfig, programs }: ControlPlane, ...args: ReadonlyArray<string>) =>
  Effect.promise(() => run([`${programs}/controlplane`, "kubectl", `--kubeconfig=${kubeconfig}`, ...args])).pipe(
    Effect.flatMap(({ code, output, stdout }) =>
      code === 0
        ? Effect.succeed(stdout)
        : Effect.fail(new KubectlFailed({ message: `kubectl ${args.join(" ")}: ${output}` }))
    )
  )
