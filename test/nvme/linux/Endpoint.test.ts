import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { parseEndpoint, sameEndpoint } from "../../../src/nvme/linux/Endpoint.ts"

const octet = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const port = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))
/** What kernels append, now or one day. */
const extra = Schema.String.check(Schema.isPattern(/^(,(src_addr|host_traddr|host_iface|x)=[0-9a-f.:%=]{0,12}){0,3}$/))

describe("parseEndpoint", () => {
  for (
    const [text, expected] of [
      ["traddr=10.42.68.1,trsvcid=4420", { address: "10.42.68.1", port: 4420 }],
      ["traddr=10.42.68.1,trsvcid=4420,src_addr=10.42.68.7\n", { address: "10.42.68.1", port: 4420 }],
      ["traddr=10.42.68.1, trsvcid=4420, host_iface=eth0", { address: "10.42.68.1", port: 4420 }],
      ["traddr=fd00::1,trsvcid=14420,src_addr=fd00::7", { address: "fd00::1", port: 14420 }]
    ] as const
  ) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(parseEndpoint(text), Option.some(expected))
    })
  }

  for (
    const text of [
      "",
      "0000:01:00.0",
      "traddr=10.42.68.1",
      "trsvcid=4420",
      "traddr=,trsvcid=4420",
      "traddr=10.42.68.1,trsvcid=0",
      "traddr=10.42.68.1,trsvcid=65536",
      "traddr=10.42.68.1,trsvcid=x",
      "traddr=nn-0x20000090fa94845f:pn-0x10000090fa94845f,host_traddr=nn-0x1:pn-0x2"
    ]
  ) {
    it(`has no endpoint in ${JSON.stringify(text)}`, () => {
      assert.isTrue(Option.isNone(parseEndpoint(text)))
    })
  }

  it.prop(
    "reads every address and port, whatever follows",
    [Schema.Tuple([octet, octet, octet, octet]), port, extra],
    ([octets, port, extra]) => {
      const address = octets.join(".")
      assert.deepStrictEqual(
        parseEndpoint(`traddr=${address},trsvcid=${port}${extra}\n`),
        Option.some({ address, port })
      )
    }
  )

  it.prop("never makes up a port or an address", [Schema.String], ([text]) => {
    const found = parseEndpoint(`traddr=${text}`)
    assert.isTrue(Option.isNone(found) || text.includes("trsvcid="))
  })
})

describe("sameEndpoint", () => {
  const a = { address: "fd00:0:0::1", port: 4420 }

  it("knows the spellings of an IPv6 address", () => {
    assert.isTrue(sameEndpoint(a, { address: "FD00::1", port: 4420 }))
    assert.isFalse(sameEndpoint(a, { address: "fd00::2", port: 4420 }))
    assert.isFalse(sameEndpoint(a, { address: "fe80::1%eth0", port: 4420 }))
  })

  it("tells ports and IPv4 addresses apart", () => {
    assert.isFalse(sameEndpoint({ address: "10.0.0.1", port: 4420 }, { address: "10.0.0.1", port: 4421 }))
    assert.isFalse(sameEndpoint({ address: "10.0.0.1", port: 4420 }, { address: "10.0.0.11", port: 4420 }))
  })
})
