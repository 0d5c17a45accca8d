import { assert, describe, it } from "@effect/vitest"
import { type Announced, problemsOf } from "../../scripts/docs/conformance.ts"
import { PluginCapability_VolumeExpansion_TypeSchema } from "../../src/csi/gen/csi_pb.ts"

const online = { promise: "they grow", tests: ["test/csi/Identity.test.ts"] } as const
const offline = { absent: "they need not be detached" }

/** ONLINE (1) is offered and OFFLINE (2) is not. */
const right: Announced = {
  title: "growing",
  values: PluginCapability_VolumeExpansion_TypeSchema,
  offered: new Set([1]),
  reasons: { ONLINE: online, OFFLINE: offline }
}

describe("the reasons for capabilities", () => {
  it("fit when each value has one that says what the driver does", () => {
    assert.isEmpty(problemsOf(right))
  })

  it.each(
    [
      [{ reasons: { ONLINE: online } }, "OFFLINE has no row"],
      [{ reasons: { ...right.reasons, SOMETIMES: offline } }, "SOMETIMES is not in csi.v1"],
      [{ offered: new Set([1, 2]) }, "OFFLINE is offered, and its row says why not"],
      [{ offered: new Set<number>() }, "ONLINE is not offered, and its row says what it promises"],
      [{ reasons: { ...right.reasons, ONLINE: { ...online, tests: ["test/gone.test.ts"] } } }, "test/gone.test.ts"]
    ] satisfies ReadonlyArray<readonly [Partial<Announced>, string]>
  )("do not fit: %o", (change, problem) => {
    const [first = "", ...others] = problemsOf({ ...right, ...change })
    assert.isEmpty(others)
    assert.include(first, problem)
    assert.include(first, "growing")
  })
})
