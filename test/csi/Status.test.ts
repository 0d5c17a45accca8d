import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { InvalidToken, NodeNotFound, Unimplemented, VolumeNotFound } from "../../src/csi/Errors.ts"
import { printable } from "../../src/csi/Printable.ts"
import { toStatus } from "../../src/csi/Status.ts"
import { ApplianceUnavailable, PoolFull } from "../../src/rds/Errors.ts"
import { InvalidArgument, OutOfRange } from "../../src/volume/Errors.ts"
import { VolumeBusy } from "../../src/volume/VolumeLock.ts"

describe("toStatus", () => {
  it.each([
    [new InvalidArgument({ field: "name", message: "name is required" }), "INVALID_ARGUMENT", "name is required"],
    [new OutOfRange({ message: "too big" }), "OUT_OF_RANGE", "too big"],
    [new VolumeBusy({ key: "pvc-1", message: "busy" }), "ABORTED", "busy"],
    [new VolumeNotFound({ volumeId: "pvc-1" }), "NOT_FOUND", "volume pvc-1 does not exist on the appliance"],
    [new NodeNotFound({ nodeId: "worker" }), "NOT_FOUND", "node worker is not known to the cluster"],
    [new Unimplemented({ method: "GetSnapshot" }), "UNIMPLEMENTED", "GetSnapshot is not offered by this driver"],
    [new PoolFull({ message: "full" }), "RESOURCE_EXHAUSTED", "full"],
    [new ApplianceUnavailable({ reason: "unreachable", message: "gone" }), "UNAVAILABLE", "gone"]
  ])("%o is %s", (error, code, message) => {
    assert.deepStrictEqual(toStatus(error), { code, message })
  })

  it("a message from outside is one line of at most 1 KiB", () => {
    const { code, message } = toStatus(new InvalidToken({ token: `a\r\n\u001b[31m${"ü".repeat(2000)}` }))
    assert.strictEqual(code, "ABORTED")
    assert.match(message, /^starting_token "a \[31mü+…$/)
    assert.isAtMost(Buffer.byteLength(message), 1024)
  })
})

describe("printable", () => {
  const texts = Arbitrary.array(Arbitrary.schema(Schema.String), { maxLength: 20 })
  it.prop("is one well-formed line within its bound, whatever goes in", { texts }, ({ texts }) => {
    const text = texts.join("\u0000\ud800")
    const line = printable(text, 40)
    assert.isTrue(line.isWellFormed())
    assert.isAtMost(Buffer.byteLength(line), 40)
    assert.notMatch(line, /[\p{Cc}\u2028\u2029]/u)
    assert.strictEqual(printable(line, 40), line)
  })
})
