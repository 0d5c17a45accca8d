import { Effect, Schema } from "effect"
import { generateKeyPair, randomBytes } from "node:crypto"

/** An SSH key pair as `ssh-keygen -t ed25519 -N ""` writes it. */
export interface SshKeyPair {
  /** OpenSSH private key file, not encrypted. */
  readonly privateKey: string
  /** authorized_keys line: `ssh-ed25519 AAAA… comment`. */
  readonly publicKey: string
}

const algorithm = "ssh-ed25519"

const Ed25519Jwk = Schema.Struct({ x: Schema.String, d: Schema.String })

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

// RFC 4251, section 5: a string is its length and its bytes.
const sshString = (value: string | Buffer) => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)])

// Padding 1, 2, 3, … up to the cipher's block size, which is 8 without a cipher.
const padded = (section: Buffer) =>
  Buffer.concat([section, Buffer.from(Array.from({ length: (8 - section.length % 8) % 8 }, (_, i) => i + 1))])

/** The file of OpenSSH's PROTOCOL.key, version 1, without encryption. */
const openSshPrivateKey = (seed: Buffer, publicKey: Buffer, comment: string) => {
  const publicBlob = Buffer.concat([sshString(algorithm), sshString(publicKey)])
  const check = randomBytes(4)
  const privateSection = padded(Buffer.concat([
    check,
    check,
    publicBlob,
    sshString(Buffer.concat([seed, publicKey])),
    sshString(comment)
  ]))
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    u32(1),
    sshString(publicBlob),
    sshString(privateSection)
  ])
  const lines = file.toString("base64").replace(/.{70}/g, "$&\n").trimEnd()
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`
}

/** Makes an Ed25519 key pair that OpenSSH, ssh2 and RouterOS read. */
export const generateSshKeyPair = Effect.fnUntraced(function*(comment: string) {
  const jwk = yield* Effect.callback<unknown>((resume) => {
    generateKeyPair("ed25519", {}, (error, _publicKey, privateKey) => {
      resume(error === null ? Effect.sync(() => privateKey.export({ format: "jwk" })) : Effect.die(error))
    })
  })
  const { d, x } = yield* Effect.orDie(Schema.decodeUnknownEffect(Ed25519Jwk)(jwk))
  const publicKey = Buffer.from(x, "base64url")
  const blob = Buffer.concat([sshString(algorithm), sshString(publicKey)]).toString("base64")
  return {
    privateKey: openSshPrivateKey(Buffer.from(d, "base64url"), publicKey, comment),
    publicKey: `${algorithm} ${blob} ${comment}`
  } satisfies SshKeyPair
})
