import { Result } from "effect"
import ssh2 from "ssh2"

/** A public key of a user or host: its type, its wire form and what authorized_keys says behind it. */
export interface PublicKey {
  readonly type: string
  readonly blob: Buffer
  readonly comment: string
  /** Whether `signature` over `data` was made with this key; `hash` as SSH negotiated it. */
  readonly verify: (data: Buffer, signature: Buffer, hash: string | undefined) => boolean
}

/** Smallest RSA key for users (RouterOS manual, User: SSH keys). */
const leastRsaBits = 2048

/** Reads an authorized_keys line. Fails with RouterOS' text; it takes RSA of 2048 bits and more and Ed25519. */
export const parseUserKey = (line: string): Result.Result<PublicKey, string> =>
  Result.gen(function*() {
    const key = yield* parsePublicKey(line)
    if (key.type === "ssh-rsa" && rsaBits(key.blob) < leastRsaBits) {
      return yield* Result.fail("keys smaller than 2048bit are not allowed")
    }
    return key.type === "ssh-rsa" || key.type === "ssh-ed25519" ? key : yield* Result.fail(wrongFormat)
  })

/** Reads a public key, or the public part of a private one. */
export const parsePublicKey = (text: string): Result.Result<PublicKey, string> => {
  const parsed = ssh2.utils.parseKey(text)
  if (parsed instanceof Error) return Result.fail(wrongFormat)
  return Result.succeed({
    type: parsed.type,
    blob: parsed.getPublicSSH(),
    comment: parsed.comment,
    verify: (data, signature, hash) => parsed.verify(data, signature, hash) === true
  })
}

const wrongFormat = "unable to load key file (wrong format or bad passphrase)!"

/** `ssh-ed25519 AAAA…`, without comment. */
export const keyLine = ({ blob, type }: PublicKey): string => `${type} ${blob.toString("base64")}`

// RFC 4253, section 6.6: the blob is the strings "ssh-rsa", e and n, each behind its length.
const rsaBits = (blob: Buffer): number => {
  const lengthAt = (offset: number) => offset + 4 <= blob.length ? blob.readUInt32BE(offset) : 0
  const e = 4 + lengthAt(0)
  const n = e + 4 + lengthAt(e)
  const leadingZero = blob[n + 4] === 0 ? 1 : 0
  return (lengthAt(n) - leadingZero) * 8
}
