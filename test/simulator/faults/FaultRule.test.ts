import { assert, describe, it } from "@effect/vitest"
import { Duration, Result } from "effect"
import { parseFaultRule } from "../../../src/simulator/faults/FaultRule.ts"

const parsed = (rule: string) => Result.getOrThrow(parseFaultRule(rule))
const refusal = (rule: string) => Result.getOrThrow(Result.flip(parseFaultRule(rule))).message

describe("fault rules", () => {
  it("have defaults: the first match, once", () => {
    const rule = parsed("cut=during match=/disk/add")
    assert.deepStrictEqual(rule.action, { _tag: "Break", how: "cut", moment: "during", step: 1 })
    assert.deepStrictEqual([rule.nth, rule.count, rule.user], [1, 1, undefined])
    assert.isTrue(rule.match?.test("/disk/add type=file"))
  })

  it("take quoted values with blanks, quotes and backslashes", () => {
    const rule = parsed(
      String.raw`error="failure: \"x\" is \\ gone" match="slot=\"a b\"" step=2 nth=3 count=all user=csi`
    )
    assert.deepStrictEqual(rule.action, { _tag: "Error", text: String.raw`failure: "x" is \ gone`, step: 2 })
    assert.isTrue(rule.match?.test("/disk/find slot=\"a b\""))
    assert.deepStrictEqual([rule.nth, rule.count, rule.user], [3, Infinity, "csi"])
  })

  it("know times in ms, s and m", () => {
    assert.deepStrictEqual(parsed("delay=250ms").action, { _tag: "Delay", duration: Duration.millis(250) })
    assert.deepStrictEqual(parsed("slow-remove=1m").action, { _tag: "SlowRemove", duration: Duration.minutes(1) })
    const reboot = parsed("reboot=after down=3s").action
    assert.deepStrictEqual(reboot, {
      _tag: "Break",
      how: "reboot",
      moment: "after",
      step: 1,
      down: Duration.seconds(3)
    })
  })

  it.each([
    ["", "no action"],
    ["match=/disk/add", "no action"],
    ["cut=during hang=before", "two actions, cut and hang"],
    ["cut=sometimes", "cut=sometimes; allowed: before, during, after"],
    ["cut", "\"cut\" needs a value"],
    ["pool-full=yes", "\"pool-full\" takes no value"],
    ["cut=after nth=0", "nth=0; allowed: a number from 1"],
    ["cut=after count=many", "count=many; allowed: a number from 1 or all"],
    ["delay=5", "delay=5; allowed: a number and ms, s or m"],
    ["cut=after match=(", "match=( is not a regular expression"],
    ["cut=after colour=red", "\"colour\" does not go with cut"],
    ["refuse-auth match=x", "\"match\" does not go with refuse-auth"],
    ["cut=after cut=before", "\"cut\" is there twice"],
    ["cut=after ???", "\"???\" is not word or word=value"]
  ])("refuse %j with a message that says why and what is allowed", (rule, message) => {
    assert.include(refusal(rule), message)
  })
})
