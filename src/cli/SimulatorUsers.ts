import { Config, Effect, FileSystem, Result } from "effect"
import { csiPolicies, policyNames } from "../simulator/SimulatorConfig.ts"
import { parseUserKey } from "../simulator/ssh/PublicKey.ts"
import { configured, Misconfigured } from "./Exit.ts"
import type { SimulatorFlags } from "./SimulatorFlags.ts"

/** The users of a simulated device: their keys from the files that `--authorized-key` names, their policies from `--policies`. */
export const readSimulatorUsers = Effect.fnUntraced(function*(flags: SimulatorFlags) {
  const keys = new Map<string, ReadonlyArray<string>>()
  for (const text of flags.authorizedKeys) {
    const [user, path] = yield* userAndValue("--authorized-key", text)
    keys.set(user, [...keys.get(user) ?? [], ...yield* readKeys(path)])
  }
  if (keys.size === 0) {
    return yield* misconfigured("--authorized-key: nobody could log in; give one, as csi=~/.ssh/id_ed25519.pub")
  }
  const policies = new Map<string, ReadonlyArray<string>>()
  for (const text of flags.policies) {
    const [user, list] = yield* userAndValue("--policies", text)
    if (!keys.has(user)) return yield* misconfigured(`--policies: ${user} has no --authorized-key`)
    policies.set(user, yield* readPolicies(list))
  }
  return [...keys].map(([name, publicKeys]) => ({ name, publicKeys, policies: policies.get(name) ?? csiPolicies }))
})

/** The text of a file that a flag names; `~/` is the home directory, which not every shell expands behind a `=`. */
export const readKeyFile = Effect.fnUntraced(function*(flag: string, path: string) {
  const files = yield* FileSystem.FileSystem
  const home = yield* Effect.orElseSucceed(Config.String("HOME"), () => "~")
  return yield* Effect.mapError(
    files.readFileString(path.replace(/^~(?=\/)/, home)),
    (error) => new Misconfigured({ message: `${flag}: ${path} cannot be read: ${error.reason._tag}` })
  )
})

const misconfigured = (message: string) => Effect.fail(new Misconfigured({ message }))

const userAndValue = (flag: string, text: string) => {
  const [, user, value] = /^([a-z_][a-z0-9_.-]*)=(.+)$/i.exec(text) ?? []
  return user === undefined || value === undefined
    ? misconfigured(`${flag}: ${text}; expected <user>=…`)
    : Effect.succeed([user, value] as const)
}

const readKeys = Effect.fnUntraced(function*(path: string) {
  const text = yield* readKeyFile("--authorized-key", path)
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"))
  const refused = (reason: string) => ({ message: `--authorized-key: ${path}: ${reason}` })
  yield* Effect.forEach(lines, (line) => configured(Result.mapError(parseUserKey(line), refused)))
  return lines
})

const readPolicies = (list: string) => {
  const policies = list.split(",")
  const unknown = policies.find((policy) => !policyNames.includes(policy))
  return unknown === undefined
    ? Effect.succeed(policies)
    : misconfigured(`--policies: ${JSON.stringify(unknown)}; allowed: ${policyNames.join(", ")}`)
}
