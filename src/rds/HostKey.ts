import { Result } from "effect"
import { createHash, createHmac } from "node:crypto"
import { InvalidArgument } from "../volume/Errors.ts"

/** The host keys an appliance may show, from one pinning file. */
export interface HostKeys {
  /** Whether exactly this key (SSH wire format) is pinned, and not revoked. */
  readonly accepts: (key: Uint8Array) => boolean
  /** Key types of the pins (`ssh-ed25519`, …), to ask the server for a key of a type that can match. */
  readonly types: ReadonlyArray<string>
  /** `SHA256:…` of each accepted key, as `ssh-keygen -l` prints it. */
  readonly fingerprints: ReadonlyArray<string>
}

/** Where the pins have to hold: known_hosts lines for other hosts are passed over. */
export interface Host {
  readonly host: string
  readonly port: number
}

interface Pin {
  readonly type: string
  readonly key: Buffer
  readonly revoked: boolean
}

const keyTypes = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]

/**
 * Reads host keys in either form of OpenSSH: `type key [comment]`, as in a `.pub` file, or known_hosts with plain,
 * wildcard or hashed names, `[host]:port` and `@revoked` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Several keys may be
 * pinned, so that an appliance's key can be changed without an outage. Certificates are not supported.
 */
export const parseHostKeys = (text: string, where: Host): Result.Result<HostKeys, InvalidArgument> =>
  Result.gen(function*() {
    const pins: Array<Pin> = []
    for (const [i, line] of text.split(/\r?\n/).entries()) {
      const words = line.trim().split(/\s+/)
      if (line.trim() === "" || line.trim().startsWith("#")) continue
      pins.push(...(yield* parseLine(words, where, `line ${i + 1}`)))
    }
    const revoked = pins.filter((pin) => pin.revoked)
    const accepted = pins.filter((pin) => !pin.revoked && !revoked.some((bad) => bad.key.equals(pin.key)))
    if (accepted.length === 0) {
      return yield* invalid(
        `has no key for ${addressOf(where)}: give the appliance's public host key (ssh-keyscan prints it), as ` +
          "\"ssh-ed25519 AAAA…\" or as a known_hosts line"
      )
    }
    return {
      accepts: (key) => accepted.some((pin) => pin.key.equals(key)),
      types: [...new Set(accepted.map((pin) => pin.type))],
      fingerprints: accepted.map((pin) => fingerprint(pin.key))
    }
  })

/** `SHA256:…` of a public key in SSH wire format, as `ssh-keygen -l` prints it. */
export const fingerprint = (key: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`

const parseLine = (words: ReadonlyArray<string>, where: Host, at: string) =>
  Result.gen(function*() {
    const [first = "", ...rest] = words
    if (keyTypes.includes(first)) return [yield* parseKey(first, rest[0], false, at)]
    if (first === "@cert-authority") return yield* invalid(`${at}: certificate authorities are not supported`)
    const [names = "", type = "", key] = first === "@revoked" ? rest : words
    const pin = yield* parseKey(type, key, first === "@revoked", at)
    return isFor(names, where) ? [pin] : []
  })

const parseKey = (type: string, text: string | undefined, revoked: boolean, at: string) => {
  if (!keyTypes.includes(type)) return invalid(`${at}: ${JSON.stringify(type)} is not one of ${keyTypes.join(", ")}`)
  const key = Buffer.from(text ?? "", "base64")
  // RFC 4253, section 6.6: the wire form starts with the type as a string.
  const named = key.length > 4 ? key.subarray(4, 4 + key.readUInt32BE(0)).toString("latin1") : ""
  return named === type ? Result.succeed<Pin>({ type, key, revoked }) : invalid(`${at}: the ${type} key is damaged`)
}

/** Whether the host field of a known_hosts line is for this appliance. */
const isFor = (names: string, where: Host): boolean => {
  const address = addressOf(where)
  const hashed = /^\|1\|([^|]+)\|(.+)$/.exec(names)
  if (hashed !== null) {
    const [, salt = "", hash = ""] = hashed
    return createHmac("sha1", Buffer.from(salt, "base64")).update(address).digest("base64") === hash
  }
  const patterns = names.split(",")
  const matches = (pattern: string) => glob(pattern).test(address)
  return patterns.some((pattern) => !pattern.startsWith("!") && matches(pattern)) &&
    !patterns.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1)))
}

const glob = (pattern: string) =>
  new RegExp(
    `^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`,
    "i"
  )

/** The name under which OpenSSH keeps a host: the port is part of it unless it is 22. */
const addressOf = ({ host, port }: Host) => port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`

const invalid = (problem: string) =>
  Result.fail(new InvalidArgument({ field: "rds-host-key", message: `the pinned host key ${problem}` }))
