import { Layer } from "effect"
import { RdsClient } from "../rds/RdsClient.ts"
import { SshPool } from "../rds/SshPool.ts"
import { type SshTarget, SshTransport } from "../rds/SshTransport.ts"
import { rdsConfig, sshPoolConfig } from "./ApplianceConfig.ts"
import type { ApplianceFlags } from "./ApplianceFlags.ts"

/** The appliance as the flags name it. */
export const rdsClient = (flags: ApplianceFlags, target: SshTarget) =>
  RdsClient.layer(rdsConfig(flags)).pipe(
    Layer.provide(SshPool.layer(sshPoolConfig(flags))),
    Layer.provide(SshTransport.layer(target))
  )
