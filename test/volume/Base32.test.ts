import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import * as Base32 from "../../src/volume/Base32.ts"

describe("Base32", () => {
  it.each([["", ""], ["f", "my"], ["fo", "mzxq"], ["foo", "mzxw6"], ["foob", "mzxw6yq"], ["fooba", "mzxw6ytb"], [
    "foobar",
    "mzxw6ytboi"
  ]])(
    "gives RFC 4648's vector for %j in lower case and without padding",
    (text, encoded) => {
      assert.strictEqual(Base32.encode(Buffer.from(text)), encoded)
      assert.deepStrictEqual(
        Option.map(Base32.decode(encoded), (bytes) => Buffer.from(bytes).toString()),
        Option.some(text)
      )
    }
  )

  it.prop("decodes only what encode makes", [Schema.String.check(Schema.isPattern(/^[a-z2-7]{0,27}$/))], ([text]) => {
    for (const bytes of Option.toArray(Base32.decode(text))) assert.strictEqual(Base32.encode(bytes), text)
  })
})
