import { Effect, Result } from "effect"
import type { AuthContext, PublicKeyAuthContext } from "ssh2"
import { Device } from "../device/Device.ts"
import type { DeviceState, User } from "../device/Model.ts"
import { Volatile } from "../device/Volatile.ts"
import { Faults } from "../faults/Faults.ts"
import { parseUserKey } from "./PublicKey.ts"

/** A login name as it was given: `csi+ct120w` is the user csi on a terminal 120 columns wide. */
export const loginName = (given: string): { readonly user: string; readonly width: number | undefined } => {
  const [user = "", options = ""] = given.split("+", 2)
  const [, width] = /([0-9]{2,4})w/.exec(options) ?? []
  return { user, width: width === undefined ? undefined : Number(width) }
}

/**
 * For an address, what answers the authentication requests of one connection: public keys only, verified, of users whose group has the policy
 * `ssh`. A fault that refuses a login refuses all that the connection tries.
 */
export const makeAuthenticator = Effect.gen(function*() {
  const device = yield* Device
  const memory = yield* Volatile
  const faults = yield* Faults

  return (address: string) => {
    let refused: boolean | undefined
    return Effect.fnUntraced(function*(context: AuthContext) {
      if (context.method !== "publickey") return context.reject(["publickey"])
      const { user } = loginName(context.username)
      refused ??= yield* faults.refusesLogin(user)
      if (!refused && isAccepted(yield* device.state, user, context)) return context.accept()
      if (context.signature !== undefined) {
        yield* memory.log("system,error,critical", `login failure for user ${user} from ${address} via ssh`)
      }
      context.reject(["publickey"])
    })
  }
})

const isAccepted = (state: DeviceState, name: string, context: PublicKeyAuthContext): boolean => {
  const user = state.users.find((candidate) => candidate.name === name)
  if (user?.policies.includes("ssh") !== true) return false
  const key = keysOf(user).find(({ blob }) => blob.equals(context.key.data))
  if (key === undefined) return false
  // Without a signature the client only asks whether this key would do.
  if (context.signature === undefined) return true
  return context.blob !== undefined && key.verify(context.blob, context.signature, context.hashAlgo)
}

const keysOf = (user: User) =>
  user.keys.flatMap(({ line }) => Result.match(parseUserKey(line), { onSuccess: (key) => [key], onFailure: () => [] }))
