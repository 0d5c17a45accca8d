import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import ssh2 from "ssh2"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"

it.effect("generated keys are read by ssh2 and sign for their public key", () =>
  Effect.gen(function*() {
    // Keys whose parts begin with a zero byte are one in a few hundred.
    for (let i = 0; i < 300; i++) {
      const pair = yield* generateSshKeyPair(`user-${i}`)
      const privateKey = ssh2.utils.parseKey(pair.privateKey)
      const publicKey = ssh2.utils.parseKey(pair.publicKey)
      if (privateKey instanceof Error || publicKey instanceof Error) return assert.fail(`key ${i} is not readable`)
      const message = Buffer.from(`message ${i}`)
      assert.strictEqual(publicKey.verify(message, privateKey.sign(message)), true)
      assert.strictEqual(privateKey.comment, `user-${i}`)
    }
  }))
