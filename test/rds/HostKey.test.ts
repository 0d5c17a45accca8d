import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseHostKeys } from "../../src/rds/HostKey.ts"

// Made with ssh-keygen; the fingerprints are what `ssh-keygen -l` prints and the hashed lines what `ssh-keygen -H`
// writes.
const ed25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIMESzK7WFNM81ZHLMkxAbgvYJ+GygMJM54jbK4e0YkGD"
const rsa =
  "AAAAB3NzaC1yc2EAAAADAQABAAABAQDG1scwNI9fZoBgnaR6XiuPAYED/rCLtWfymuKEXsd9G86gWaSqDlL8dz7uc4nZ09B4Z1FDKpwdHkqoGYh41NhYK5XK52bRpS7yaNLbHp/rJn1UUhq22Cz2gF4CKMau5Ne4DRTaQaKDKek5G7fILXzYCG/QwG+YVEFcIHziGvx6ItvLK82fBeEdqPE4R2E/Rl3+btxGX3JU1NObwxQcd71ekMcAmdnVxeRmlPxHJQrJcoogspvlAoILi4De4R+vucDXsoIiVsG/4oCOwhFM/v2yM9u+8aTPdVS/HmvMUYfbd51ZC4+hOpZ25Pao445xqRdeBIlIXCP+ijPZeDx7qSGx"
const hashedEd25519 = "|1|Fbm2/8twajd7cuJIg+yHppgLQkg=|2pt2cTwctwQt7NSL7Gn5anuf7x0="
const hashedRsa = "|1|G5r3o80iljKVeDAnNSEpEJg91OY=|WPc1Qq69oCp4h7MZSdr9J8rb9Hs="

const key = (text: string) => Buffer.from(text, "base64")
const parse = (text: string, host = "10.0.0.5", port = 22) => parseHostKeys(text, { host, port })
const accepted = (text: string, host?: string, port?: number) => Result.getOrThrow(parse(text, host, port))
const refusal = (text: string, host?: string, port?: number) =>
  Result.match(parse(text, host, port), { onFailure: ({ message }) => message, onSuccess: () => "accepted" })

describe("host key pins", () => {
  it("a public key line pins exactly that key", () => {
    const pins = accepted(`ssh-ed25519 ${ed25519} rds`)
    assert.isTrue(pins.accepts(key(ed25519)))
    assert.isFalse(pins.accepts(key(rsa)))
    assert.isFalse(pins.accepts(key(ed25519).subarray(0, 50)))
    assert.deepStrictEqual(pins.fingerprints, ["SHA256:0VWQjg9d4mnP4jA3OO/bJqrc6N2liyxzarPt49W8tSc"])
    assert.deepStrictEqual(pins.types, ["ssh-ed25519"])
  })

  it("several keys may be pinned, among comments and blank lines, in both forms", () => {
    const pins = accepted(`# old\r\nssh-rsa ${rsa}\r\n\r\n# new\r\n10.0.0.5 ssh-ed25519 ${ed25519}\r\n`)
    assert.isTrue(pins.accepts(key(ed25519)))
    assert.isTrue(pins.accepts(key(rsa)))
    assert.deepStrictEqual(pins.types, ["ssh-rsa", "ssh-ed25519"])
  })

  it("known_hosts lines count for their host and port only", () => {
    const file = `10.0.0.5,rds.example ssh-ed25519 ${ed25519}\n[10.0.0.5]:2222 ssh-rsa ${rsa}\n`
    assert.deepStrictEqual(accepted(file).types, ["ssh-ed25519"])
    assert.deepStrictEqual(accepted(file, "RDS.example").types, ["ssh-ed25519"])
    assert.deepStrictEqual(accepted(file, "10.0.0.5", 2222).types, ["ssh-rsa"])
    assert.match(refusal(file, "10.0.0.6"), /no key for 10\.0\.0\.6: give the appliance's public host key/)
    assert.match(refusal(file, "10.0.0.5", 2200), /no key for \[10\.0\.0\.5\]:2200/)
  })

  it("known_hosts lines may be hashed", () => {
    const file = `${hashedEd25519} ssh-ed25519 ${ed25519}\n${hashedRsa} ssh-rsa ${rsa}\n`
    assert.deepStrictEqual(accepted(file, "10.0.0.5", 2222).types, ["ssh-ed25519"])
    assert.deepStrictEqual(accepted(file, "rds.example").types, ["ssh-rsa"])
    assert.match(refusal(file, "10.0.0.5"), /no key for/)
  })

  it("known_hosts names may have wildcards and exceptions", () => {
    const file = `*.example,!bad.example,10.0.0.? ssh-ed25519 ${ed25519}\n`
    assert.deepStrictEqual(accepted(file, "rds.example").types, ["ssh-ed25519"])
    assert.deepStrictEqual(accepted(file, "10.0.0.7").types, ["ssh-ed25519"])
    assert.match(refusal(file, "bad.example"), /no key for/)
    assert.match(refusal(file, "10.0.0.77"), /no key for/)
  })

  it("a revoked key is refused although it is pinned as well", () => {
    const file = `10.0.0.5 ssh-ed25519 ${ed25519}\n@revoked * ssh-ed25519 ${ed25519}\n10.0.0.5 ssh-rsa ${rsa}\n`
    const pins = accepted(file)
    assert.isFalse(pins.accepts(key(ed25519)))
    assert.isTrue(pins.accepts(key(rsa)))
  })

  for (
    const [name, text, message] of [
      ["an empty file", "", /has no key for 10\.0\.0\.5/],
      ["a damaged key", "ssh-ed25519 AAAA", /line 1: the ssh-ed25519 key is damaged/],
      ["a key of another type than it says", `ssh-rsa ${ed25519}`, /line 1: the ssh-rsa key is damaged/],
      ["an unknown key type", `\n10.0.0.5 ssh-dss ${rsa}`, /line 2: "ssh-dss" is not one of ssh-ed25519, ssh-rsa/],
      ["a private key", "-----BEGIN OPENSSH PRIVATE KEY-----", /line 1: "OPENSSH" is not one of/],
      [
        "a certificate authority",
        `@cert-authority * ssh-rsa ${rsa}`,
        /line 1: certificate authorities are not supported/
      ]
    ] as const
  ) {
    it(`refuses ${name}, and says where`, () => {
      assert.match(refusal(text), message)
    })
  }
})
