import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { parseListenAddress } from "../../src/observability/ListenAddress.ts"

const parse = (text: string) => Option.getOrUndefined(Result.getOrThrow(parseListenAddress(text)))

describe("parseListenAddress", () => {
  it("takes :port, host:port, [ipv6]:port, and nothing for off", () => {
    assert.deepStrictEqual(parse(":9809"), { host: Option.none(), port: 9809 })
    assert.deepStrictEqual(parse("127.0.0.1:0"), { host: Option.some("127.0.0.1"), port: 0 })
    assert.deepStrictEqual(parse("[::1]:9809"), { host: Option.some("::1"), port: 9809 })
    assert.isUndefined(parse(""))
  })

  it.each(["9809", ":", ":port", "host", "::1:9809", "host:65536", " :9809"])("%j is refused by name", (text) => {
    const error = Result.getOrThrow(Result.flip(parseListenAddress(text)))
    assert.include(error.message, JSON.stringify(text))
    assert.include(error.message, "host:port")
  })
})
