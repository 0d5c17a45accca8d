import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { output } from "../support/Console.ts"

const shows = (cases: ReadonlyArray<readonly [source: string, text: string]>) =>
  it.effect.each(cases)("%s", ([source, text]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* output(`:put [${source}]`), `${text}\r\n`)
    }))

describe(":serialize to=json", () => {
  shows([
    [":serialize to=json value=123", "123"],
    [":serialize to=json value=a,b,c", "[\"a\",\"b\",\"c\"]"],
    [":serialize to=json value=({})", "[]"],
    [":serialize to=json value=[]", "null"],
    [":serialize to=json value=[:nothing]", "null"],
    [":serialize to=json value=1h30m15s", "\"01:30:15\""],
    [":serialize to=json value={a=*2A;b=1.1.1.1;c=true}", "{\"a\":\"*2A\",\"b\":\"1.1.1.1\",\"c\":true}"],
    [":serialize to=json value={\"z\"=1;\"a\"=2;\"m\"=3}", "{\"a\":2,\"m\":3,\"z\":1}"],
    [":serialize to=json {\"s\"=\"say \\\"hi\\\"\\n\"}", "{\"s\":\"say \\\"hi\\\"\\n\"}"],
    [":serialize to=json value={\"number\"=1234;\"string\"=\"1234\"}", "{\"number\":1234,\"string\":1234.000000}"],
    [":serialize to=json value=\"16003143565312\"", "16003143565312.000000"],
    [":serialize to=json value=\"16003143565312\" options=json.no-string-conversion", "\"16003143565312\""],
    [
      ":serialize to=json value={\"n\"=\"1\"} options=(json.pretty,json.no-string-conversion)",
      "{\r\n    \"n\": \"1\"\r\n}"
    ]
  ])
})

describe(":deserialize from=json", () => {
  shows([
    [":typeof [:deserialize from=json value=\"\\\"123\\\"\"]", "num"],
    [":typeof [:deserialize from=json value=\"\\\"1.1.1.1\\\"\"]", "ip"],
    [":typeof [:deserialize from=json value=\"\\\"01:30:00\\\"\"]", "time"],
    [":typeof [:deserialize from=json value=\"\\\"123\\\"\" options=json.no-string-conversion]", "str"],
    [":deserialize from=json value=\"[1,2,]\"", "1;2"],
    [":typeof [:deserialize from=json value=\"null\"]", "nothing"]
  ])

  it.effect("gives back what was serialized", () =>
    Effect.gen(function*() {
      const source =
        ":local back [:deserialize from=json value=[:serialize to=json value={\"n\"=5;\"l\"={1;\"x, ]\"}}]]; " +
        ":put ($back->\"n\"); :put ($back->\"l\"->1)"
      assert.strictEqual(yield* output(source), "5\r\nx, ]\r\n")
    }))
})
