import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { parseUserKey } from "../../src/rds/UserKey.ts"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"

const parse = (pem: string) => parseUserKey(Redacted.make(pem))
const refusal = (pem: string) =>
  Result.match(parse(pem), { onFailure: ({ field, message }) => `${field}: ${message}`, onSuccess: () => "accepted" })

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
const shortRsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
const ecdsa = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
const pem = (key: typeof rsa, type: "pkcs1" | "pkcs8" | "sec1") => key.export({ type, format: "pem" }).toString()

describe("user key", () => {
  it.effect("takes an Ed25519 key as ssh-keygen writes it, and does not print it", () =>
    Effect.gen(function*() {
      const { privateKey } = yield* generateSshKeyPair("test")
      const key = Result.getOrThrow(parse(`\n${privateKey}\n\n`))
      assert.strictEqual(key.type, "ssh-ed25519")
      assert.notInclude(JSON.stringify(key), "PRIVATE")
    }))

  it("takes an RSA key in PEM and in PKCS#8 form", () => {
    assert.strictEqual(Result.getOrThrow(parse(pem(rsa, "pkcs1"))).type, "ssh-rsa")
    assert.strictEqual(Result.getOrThrow(parse(pem(rsa, "pkcs8"))).type, "ssh-rsa")
  })

  it("refuses what RouterOS refuses: short RSA keys and ECDSA", () => {
    assert.match(refusal(pem(shortRsa, "pkcs1")), /^rds-key-file: .* has 1024 bits: RouterOS accepts RSA keys of 2048/)
    assert.match(
      refusal(pem(ecdsa, "sec1")),
      /is of type ecdsa-sha2-nistp256: RouterOS accepts ssh-ed25519 and ssh-rsa/
    )
  })

  it("refuses a key with a passphrase and says how to remove it", () => {
    const encrypted = rsa.export({ type: "pkcs1", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }).toString()
    assert.match(refusal(encrypted), /protected by a passphrase: use a key without one \(ssh-keygen -p removes it\)/)
  })

  it.effect("refuses a public key", () =>
    Effect.gen(function*() {
      const { publicKey } = yield* generateSshKeyPair("test")
      assert.match(refusal(publicKey), /is a public key: give the private one/)
    }))

  it("refuses anything else without repeating it", () => {
    for (const text of ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"]) {
      assert.match(refusal(text), /^rds-key-file: the private key for the appliance (cannot be read|is in PKCS#8 form)/)
      assert.notInclude(refusal(text), "hunter2")
    }
  })
})
