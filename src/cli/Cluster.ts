import { Effect, Layer } from "effect"
import type { KubeConfigInvalid } from "../kubernetes/Errors.ts"
import type { ClusterSource } from "../kubernetes/Kubeconfig.ts"
import { Misconfigured } from "./Exit.ts"

/** Where the cluster is that the value of `--kubeconfig` names. */
export const clusterSource = (kubeconfig: string): ClusterSource =>
  kubeconfig === "" ? { _tag: "InCluster" } : { _tag: "Kubeconfig", path: kubeconfig }

/** Ends the process when there is no cluster to talk to; `instead` is what to say to do without one. */
export const clusterNeeded = (instead: string) => ({ message }: KubeConfigInvalid) =>
  Layer.effectContext(
    Effect.fail(
      new Misconfigured({ message: `${message}; see --kubeconfig, or say ${instead} to run without a cluster` })
    )
  )
