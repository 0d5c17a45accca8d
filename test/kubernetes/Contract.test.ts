import { Config, ConfigProvider, Effect, Option } from "effect"
import { startCluster } from "../support/kubernetes/Harness.ts"
import { kubernetesContract } from "./contract.ts"

kubernetesContract("the API server of the tests", Effect.map(startCluster(), ({ kubeconfig }) => kubeconfig))

// A disposable cluster of the developer's choice: `CONTRACT_KUBECONFIG=~/.kube/config npx vitest run test/kubernetes`.
const real = Effect.runSync(
  Effect.provideService(
    Config.option(Config.String("CONTRACT_KUBECONFIG")),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromEnv()
  )
)
if (Option.isSome(real)) kubernetesContract(real.value, Effect.succeed(real.value))
