import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { kubernetesContract } from "../kubernetes/contract.ts"
import { plane } from "./support/Cluster.ts"

describe.skipIf(plane === undefined)("a real API server", () => {
  kubernetesContract("kube-apiserver", Effect.succeed(plane?.kubeconfig ?? ""))
})
