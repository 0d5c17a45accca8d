import { Effect, Option, Result } from "effect"
import { parseFaultRule } from "../simulator/faults/FaultRule.ts"
import { defaultPool, type SimulatorConfig } from "../simulator/SimulatorConfig.ts"
import { configured, Misconfigured } from "./Exit.ts"
import type { SimulatorFlags } from "./SimulatorFlags.ts"
import { readSimulatorPool } from "./SimulatorPool.ts"
import { readKeyFile, readSimulatorUsers } from "./SimulatorUsers.ts"

/** The device that the flags describe, with the key files read; fails with the flag, the value and what is allowed. */
export const simulatorSettings = Effect.fnUntraced(function*(flags: SimulatorFlags) {
  const pools = flags.pools.length === 0 ? [defaultPool] : yield* Effect.forEach(flags.pools, readSimulatorPool)
  const hostKey = Option.isNone(flags.hostKey) ? undefined : yield* readKeyFile("--host-key", flags.hostKey.value)
  const stateDirectory = Option.getOrUndefined(flags.stateDirectory)
  const controlSocket = Option.getOrUndefined(flags.controlSocket)
  if (flags.exports === "nvmet" && stateDirectory === undefined) {
    return yield* new Misconfigured({ message: "--exports=nvmet needs --state-dir: the kernel serves files" })
  }
  yield* Effect.forEach(flags.faults, (rule) => configured(named("--fault", parseFaultRule(rule))))
  return {
    host: flags.host,
    port: flags.port,
    identity: flags.identity,
    version: flags.rosVersion,
    packages: Option.isNone(flags.withoutPackage) ? ["rose-storage"] : [],
    users: yield* readSimulatorUsers(flags),
    pools,
    directories: flags.directories.length === 0 ? [`${pools[0]?.mountPoint}/metal-csi`] : flags.directories,
    latency: { fixed: flags.latency, jitter: flags.jitter },
    faults: flags.faults,
    unsure: flags.unsure,
    exports: flags.exports,
    ...(flags.copyRate === 0n ? {} : { copyRate: flags.copyRate }),
    ...(hostKey === undefined ? {} : { hostKey }),
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    ...(controlSocket === undefined ? {} : { controlSocket })
  } satisfies SimulatorConfig
})

const named = <A>(flag: string, result: Result.Result<A, { readonly message: string }>) =>
  Result.mapError(result, ({ message }) => ({ message: `${flag}: ${message}` }))
