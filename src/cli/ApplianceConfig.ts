import { Effect, FileSystem, Redacted } from "effect"
import type { ControllerConfig } from "../csi/controller/Config.ts"
import { parseHostKeys } from "../rds/HostKey.ts"
import type { RdsConfig } from "../rds/RdsConfig.ts"
import type { SshPoolConfig } from "../rds/SshPool.ts"
import type { SshTarget } from "../rds/SshTransport.ts"
import { parseUserKey } from "../rds/UserKey.ts"
import type { ApplianceFlags } from "./ApplianceFlags.ts"
import { configured, Misconfigured } from "./Exit.ts"

/** The files that the flags name, read and checked; the process does not start with a key it cannot use. */
export const sshTarget = Effect.fnUntraced(function*(flags: ApplianceFlags) {
  const where = { host: flags.address, port: flags.port }
  const userKey = yield* parseFile("--rds-key-file", flags.keyFile, (text) => parseUserKey(Redacted.make(text)))
  const hostKeys = flags.skipHostKeyCheck
    ? "insecure" as const
    : yield* parseFile("--rds-host-key", flags.hostKeyFile, (text) => parseHostKeys(text, where))
  if (flags.skipHostKeyCheck) {
    yield* Effect.logWarning(
      "the appliance's host key is not checked: whoever answers on its address gets every command"
    )
  }
  return { ...where, user: flags.user, userKey, hostKeys } satisfies SshTarget
})

const parseFile = Effect.fnUntraced(function*<A>(
  flag: string,
  path: string,
  parse: (text: string) => Parameters<typeof configured<A>>[0]
) {
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    files.readFileString(path),
    (error) => new Misconfigured({ message: `${flag}: ${path} cannot be read: ${error.reason._tag}` })
  )
  return yield* Effect.mapError(
    configured(parse(text)),
    ({ message }) => new Misconfigured({ message: `${flag}: ${path} ${message}` })
  )
})

/** How the SSH connections are used. */
export const sshPoolConfig = (flags: ApplianceFlags): SshPoolConfig => ({
  connections: flags.connections,
  connectTimeout: flags.connectTimeout,
  readTimeout: flags.readTimeout,
  writeTimeout: flags.writeTimeout,
  idleCheck: flags.idleCheck,
  circuitFailures: flags.circuitFailures,
  reconnectPause: flags.reconnectPause,
  ...(flags.rateLimit === 0 ? {} : { execsPerSecond: flags.rateLimit })
})

/** Directory of the volumes and the mark of this cluster on them. */
export const rdsConfig = ({ basePath, clusterId, hostAccess, poolReserve, snapshots }: ApplianceFlags): RdsConfig => ({
  base: basePath,
  clusterId,
  reserveBytes: poolReserve,
  newVolumesLetIn: hostAccess === "holders" ? "nobody" : "any",
  snapshots
})

/** What a StorageClass need not say. */
export const controllerConfig = ({ address, basePath, nvmeAddress }: ApplianceFlags): ControllerConfig => ({
  base: basePath,
  nvmeAddress,
  rdsAddress: address
})
