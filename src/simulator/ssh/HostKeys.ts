import { Effect, FileSystem, Path, Result } from "effect"
import { generateSshKeyPair } from "../Keys.ts"
import type { SimulatorConfig } from "../SimulatorConfig.ts"
import { SimulatorError } from "../SimulatorError.ts"
import { keyLine, parsePublicKey } from "./PublicKey.ts"

/** A host key: the private key file and its public part as an authorized_keys line without comment. */
export interface HostKey {
  readonly privateKey: string
  readonly publicKey: string
}

/** The key given in the configuration, else the one in the state directory, else a new Ed25519 key (kept there). */
export const hostKey = Effect.fnUntraced(function*(config: SimulatorConfig) {
  if (config.hostKey !== undefined) return yield* readHostKey(config.hostKey, "host key")
  if (config.stateDirectory === undefined) return yield* newHostKey
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(config.stateDirectory, "host_key")
  const failed = (error: { readonly message: string }) => new SimulatorError({ message: `${file}: ${error.message}` })
  if (yield* Effect.mapError(fs.exists(file), failed)) {
    return yield* readHostKey(yield* Effect.mapError(fs.readFileString(file), failed), file)
  }
  const fresh = yield* newHostKey
  yield* Effect.mapError(fs.writeFileString(file, fresh.privateKey, { mode: 0o600 }), failed)
  return fresh
})

const readHostKey = (privateKey: string, name: string): Effect.Effect<HostKey, SimulatorError> =>
  Result.match(parsePublicKey(privateKey), {
    onSuccess: (key) => Effect.succeed({ privateKey, publicKey: keyLine(key) }),
    onFailure: () =>
      Effect.fail(new SimulatorError({ message: `${name} is not an unencrypted private key in OpenSSH or PEM form` }))
  })

/** An Ed25519 host key. */
export const newHostKey: Effect.Effect<HostKey> = Effect.map(
  generateSshKeyPair("rds"),
  ({ privateKey, publicKey }) => ({
    privateKey,
    publicKey: publicKey.split(" ").slice(0, 2).join(" ")
  })
)
