import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { resolve } from "node:path"
import { formatEndpoint, parseEndpoint } from "../../src/csi/Endpoint.ts"

describe("parseEndpoint", () => {
  it.each([
    ["unix:///csi/csi.sock", "unix:///csi/csi.sock"],
    ["unix://csi.sock", `unix://${resolve("csi.sock")}`],
    [
      "/var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock",
      "unix:///var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock"
    ],
    ["tcp://127.0.0.1:10000", "tcp://127.0.0.1:10000"],
    ["tcp://[::1]:0", "tcp://[::1]:0"]
  ])("%s is %s", (text, expected) => {
    assert.strictEqual(Result.getOrThrow(Result.map(parseEndpoint(text), formatEndpoint)), expected)
  })

  it.each([
    "",
    "unix://",
    "unix:///csi/",
    "/csi\0.sock",
    "http://localhost:1",
    "tcp://:1",
    "tcp://localhost",
    "tcp://a:65536"
  ])(
    "%j is refused, and the message names it and what is allowed",
    (text) => {
      const error = Result.getOrThrow(Result.flip(parseEndpoint(text)))
      assert.include(error.message, JSON.stringify(text))
      assert.include(error.message, "unix:///absolute/path.sock")
    }
  )
})
