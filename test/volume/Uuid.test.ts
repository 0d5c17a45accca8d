import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Uuid from "../../src/volume/Uuid.ts"
import { uuid } from "./samples.ts"

describe("Uuid", () => {
  it("v5 gives the vector of RFC 9562, appendix A.4", () => {
    assert.strictEqual(Uuid.v5("www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2")
  })

  it.prop("v5 has version 5 and the RFC's variant, and depends on the name alone", [Schema.String], ([name]) => {
    assert.match(Uuid.v5(name), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.strictEqual(Uuid.v5(name), Uuid.v5(name))
  })

  it.prop("bytes and text are two forms of the same 128 bits", [uuid], ([digits]) => {
    assert.lengthOf(Uuid.toBytes(digits), 16)
    assert.strictEqual(Uuid.fromBytes(Uuid.toBytes(digits)), digits)
  })
})
