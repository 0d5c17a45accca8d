import { assert, describe, it } from "@effect/vitest"
import { lookAgain, nextEnd } from "../../src/attachment/GracePeriod.ts"

const grace = 30n

describe("a grace period", () => {
  it("trap: begins when something was found amiss, not when the look at it began", () => {
    const first = lookAgain(new Map(), 0n, grace)
    assert.isFalse(first.isOver("a", 20n))
    assert.strictEqual(nextEnd(first.noted, 0n, grace), 50n)
    assert.isFalse(lookAgain(first.noted, 49n, grace).isOver("a", 60n))
    assert.isTrue(lookAgain(first.noted, 50n, grace).isOver("a", 60n))
  })

  it("begins afresh for what has another version, or was well in between", () => {
    const first = lookAgain(new Map(), 0n, grace)
    assert.isFalse(first.isOver("a", 0n, "1"))
    assert.isFalse(lookAgain(first.noted, 40n, grace).isOver("a", 40n, "2"))
    const well = lookAgain(first.noted, 40n, grace)
    assert.isTrue(well.isKnown("a"))
    assert.isFalse(lookAgain(well.noted, 80n, grace).isOver("a", 80n, "1"))
  })
})
