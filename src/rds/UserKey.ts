import { Redacted, Result } from "effect"
import { createPrivateKey } from "node:crypto"
import ssh2 from "ssh2"
import { InvalidArgument } from "../volume/Errors.ts"

/** A private key that RouterOS accepts for logins, in a form that the SSH library reads. */
export interface UserKey {
  readonly type: "ssh-ed25519" | "ssh-rsa"
  readonly pem: Redacted.Redacted<string>
}

/** RouterOS refuses smaller RSA keys (RouterOS manual, User: SSH Keys). */
const minimumRsaBits = 2048

/**
 * Reads the driver's private key: Ed25519 or RSA of at least 2048 bits (RouterOS takes no other), not encrypted, in
 * OpenSSH or PEM form. Messages never hold any of the key.
 */
export const parseUserKey = (text: Redacted.Redacted<string>): Result.Result<UserKey, InvalidArgument> =>
  Result.gen(function*() {
    const pem = yield* withoutPkcs8(Redacted.value(text).trim() + "\n")
    const key = ssh2.utils.parseKey(pem)
    if (key instanceof Error) {
      return yield* /passphrase|encrypted/i.test(key.message)
        ? invalid("is protected by a passphrase: use a key without one (ssh-keygen -p removes it)")
        : invalid("cannot be read: it must be an OpenSSH or PEM private key, as ssh-keygen -t ed25519 makes it")
    }
    if (!key.isPrivateKey()) return yield* invalid("is a public key: give the private one")
    if (key.type === "ssh-ed25519") return { type: key.type, pem: Redacted.make(pem) }
    if (key.type !== "ssh-rsa") {
      return yield* invalid(`is of type ${key.type}: RouterOS accepts ssh-ed25519 and ssh-rsa`)
    }
    const bits = rsaBits(key.getPublicSSH())
    if (bits < minimumRsaBits) {
      return yield* invalid(`has ${bits} bits: RouterOS accepts RSA keys of ${minimumRsaBits} bits or more`)
    }
    return { type: key.type, pem: Redacted.make(pem) }
  })

/** The SSH library does not read PKCS#8, in which openssl writes keys; RSA has another PEM form that it does read. */
const withoutPkcs8 = (pem: string): Result.Result<string, InvalidArgument> =>
  !pem.startsWith("-----BEGIN PRIVATE KEY-----") ? Result.succeed(pem) : Result.try({
    try: () => createPrivateKey(pem).export({ type: "pkcs1", format: "pem" }).toString(),
    catch: () => problem("is in PKCS#8 form, which is read for RSA only: ssh-keygen -p -f FILE rewrites it")
  })

/** Length of the modulus; the wire form holds the type, the exponent and the modulus (RFC 4253, section 6.6). */
const rsaBits = (key: Buffer): number => {
  const skip = (at: number) => at + 4 + key.readUInt32BE(at)
  const at = skip(skip(0))
  const modulus = key.subarray(at + 4, skip(at))
  return modulus.length === 0 ? 0 : BigInt(`0x${modulus.toString("hex")}`).toString(2).length
}

const problem = (text: string) =>
  new InvalidArgument({ field: "rds-key-file", message: `the private key for the appliance ${text}` })

const invalid = (text: string) => Result.fail(problem(text))
