import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { verdict, wrap } from "../../src/rds/Envelope.ts"
import { fromLines } from "../../src/rds/Facts.ts"
import { render, ros } from "../../src/rds/RouterOs.ts"

describe("wrap", () => {
  it("ends the output with the nonce, a verdict and what was reported, whichever way the script ends", () => {
    assert.strictEqual(
      Result.getOrThrow(render(wrap(ros`:put ${1}`, "#n"))),
      ":onerror e in={ :local reported \"\"; :put 1; :put (\"#n ok\" . $reported) } do={ :put (\"#n err \" . $e) }"
    )
  })
})

describe("verdict", () => {
  it("is Done with the lines before the sentinel, CRLF or LF, and the labels after it", () => {
    const lines = ["a 1", "b 2"]
    assert.deepStrictEqual(verdict("a 1\r\nb 2\r\n#n ok a b\r\n", "#n"), { _tag: "Done", lines, labels: ["a", "b"] })
    assert.deepStrictEqual(verdict("a 1\n#n ok", "#n"), { _tag: "Done", lines: ["a 1"], labels: [] })
    assert.deepStrictEqual(verdict("#n ok\r\n", "#n"), { _tag: "Done", lines: [], labels: [] })
  })

  it("is Failed with RouterOS' text (trap: errors arrive on stdout with exit status 0)", () => {
    assert.deepStrictEqual(verdict("a 1\r\n#n err failure: already have such slot\r\n", "#n"), {
      _tag: "Failed",
      text: "failure: already have such slot"
    })
    assert.deepStrictEqual(verdict("#n err one\r\ntwo\r\n", "#n"), { _tag: "Failed", text: "one two" })
  })

  it("takes no other nonce for its own", () => {
    assert.deepStrictEqual(verdict("#m ok\r\n", "#n"), { _tag: "Unknown" })
    assert.deepStrictEqual(verdict("x #n ok\r\n", "#n"), { _tag: "Unknown" })
  })

  it("is Unknown without a verdict: nothing, part of the answer, part of the sentinel", () => {
    for (const output of ["", "\r\n", "disks [{\"slot\":\"pvc", "disks []\r\n", "disks []\r\n#n o"]) {
      assert.deepStrictEqual(verdict(output, "#n"), { _tag: "Unknown" }, output)
    }
  })

  it("is NotUnderstood for what the parser refuses before anything runs", () => {
    for (
      const output of [
        "syntax error (line 1 column 12)\r\n",
        "bad command name serialize (line 1 column 7)\r\n",
        "expected end of command (line 1 column 40)\r\n",
        "Script Error: bad command name this (line 1 column 1)",
        "unknown parameter nvme-tcp-server-nqn (line 1 column 90)",
        "input does not match any value of type",
        "not enough permissions (9)"
      ]
    ) {
      assert.deepStrictEqual(verdict(output, "#n"), { _tag: "NotUnderstood", text: output.trim() })
    }
  })
})

describe("what was reported", () => {
  const text = (lines: ReadonlyArray<string>, labels: ReadonlyArray<string>) =>
    Option.map(fromLines(lines, labels), Array.from)

  it("is read by its label, whatever else RouterOS prints", () => {
    const facts = Option.some([["a", "1"], ["b", "[\"x y\"]"]])
    assert.deepStrictEqual(text(["a 1", "note: something", "b [\"x y\"]"], ["a", "b"]), facts)
  })

  it("is none when a line is lost, changed, repeated or in another place: what is absent was left out by the script", () => {
    for (const lines of [["a 1"], ["a 1", "B 2"], ["a 1", "b 2", "b 2"], ["b 2", "a 1"], ["a 1", "b"]]) {
      assert.deepStrictEqual(text(lines, ["a", "b"]), Option.none())
    }
  })
})
