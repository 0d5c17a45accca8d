import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { output } from "../support/Console.ts"

const shows = (cases: ReadonlyArray<readonly [source: string, text: string]>) =>
  it.effect.each(cases)("%s", ([source, text]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* output(source), `${text.replaceAll("\n", "\r\n")}\r\n`)
    }))

describe("an error in the line stops all of it before anything runs, also what would catch it", () => {
  shows([
    [":put a; :put (1", "syntax error (line 1 column 16)"],
    [":onerror e in={ :nosuch } do={ :put caught }", "bad command name nosuch (line 1 column 18)"],
    [":do { /ip/address/print } on-error={ :put caught }", "bad command name ip (line 1 column 8)"],
    [":put a; :put b c", "expected end of command (line 1 column 16)"],
    [":put a\n:put b c", "expected end of command (line 2 column 8)"],
    [":put a; :len", "missing value(s) of argument(s) value"],
    [":return", "missing value(s) of argument(s) value"],
    [":put a; :put $nosuch", "syntax error (line 1 column 15)"],
    [":put a; :set nosuch 1", "syntax error (line 1 column 14)"],
    [":local f do={ :set nosuch 1 }", "syntax error (line 1 column 20)"],
    [":local my-var 1", "syntax error (line 1 column 10)"],
    [":local 1x 1", "syntax error (line 1 column 8)"],
    [":local a {}", "syntax error (line 1 column 11)"],
    [":local a {aX=1}", "syntax error (line 1 column 13)"],
    [":put \"\\e2\"", "syntax error (line 1 column 7)"],
    [":put \"\\q\"", "syntax error (line 1 column 7)"],
    [":put \"open", "syntax error (line 1 column 6)"],
    [":put \"ends in $\"", "syntax error (line 1 column 15)"],
    [":put [:len 1", "syntax error (line 1 column 13)"],
    ["{ :put a", "syntax error (line 1 column 9)"],
    [":put a }", "syntax error (line 1 column 8)"],
    [":for i from = 1 to=2 do={}", "expected end of command (line 1 column 8)"],
    [":serialize value=1 to=xml", "input does not match any value of to"],
    [":serialize value=1 to=json options=JSON.PRETTY", "input does not match any value of options"]
  ])
})

describe("a run-time error ends the script with its text", () => {
  shows([
    [":put a; :error \"boom\"; :put b", "a\nboom (:error; line 1)"],
    [":put a\n:error boom", "a\nboom (:error; line 2)"],
    [":put (1 / 0)", "division by zero"],
    [":put (\"abc\" < \"xyz\")", "cannot compare if str is less than str"],
    [":put (\"a\" + 1)", "cannot add str and num"],
    [":put (true + 1)", "cannot add bool and num"],
    [":if (\"text\") do={}", "conditional is not boolean"],
    [":if ([]) do={}", "conditional is not boolean"],
    [":for i from=a to=2 do={}", "invalid value for argument from"],
    [":put [:deserialize from=json value=\"{bad}\"]", "failure: invalid JSON"],
    [":put (\"a\" ~ \"(\")", "invalid regular expression"],
    [":local x \"xml\"; :put [:serialize value=1 to=$x]", "input does not match any value of to"],
    [":global f do={ :global f; $f }; $f", "failure: too many nested calls"]
  ])
})

describe("errors caught by the script", () => {
  shows([
    [
      ":onerror e in={ :error boom; :put no } do={ :put \"got $e\"; :put [:typeof $e] }",
      "got boom (:error; line 1)\nstr"
    ],
    [":put [:onerror e in={ :error x } do={}]; :put [:onerror e in={} do={}]", "true\nfalse"],
    [
      ":onerror e in={ :onerror i in={ :error a } do={ :error \"again $i\" } } do={ :put $e }",
      "again a (:error; line 1) (:error; line 1)"
    ],
    [":do { :error x } on-error={ :put caught }; :put after", "caught\nafter"],
    [":local i 0; :do { :set i ($i + 1); :if ($i = 3) do={ :error x } } on-error={} while=($i < 5); :put $i", "3"],
    [":onerror e in={ [:parse \"nosuch\"] } do={ :put $e }", "bad command name nosuch (line 1 column 1)"],
    [":local f do={ :error inside }; :onerror e in={ $f } do={ :put $e }", "inside (:error; line 1)"],
    [":global n 0; :retry command={ :set n ($n + 1); :if ($n < 3) do={ :error x } } delay=0 max=5; :put $n", "3"],
    [":retry command={ :error x } delay=0 max=2 on-error={ :put given-up }", "given-up"],
    [":onerror e in={ :retry command={ :error x } delay=0 max=2 } do={ :put $e }", "x (:error; line 1)"],
    [":retry command={ :put never } delay=0 max=0; :put done", "done"]
  ])

  it.effect("what ends the script cannot be caught", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* output(":onerror e in={ :quit } do={ :put caught }; :put after"), "")
    }))
})
