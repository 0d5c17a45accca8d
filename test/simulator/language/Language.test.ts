import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { output } from "../support/Console.ts"

/** Each line and what it writes, without the final CRLF. */
const table = (title: string, cases: ReadonlyArray<readonly [source: string, text: string]>) =>
  describe(title, () => {
    it.effect.each(cases)("%s", ([source, text]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* output(source), `${text.replaceAll("\n", "\r\n")}\r\n`)
      }))
  })

table("values are written", [
  [":put 1h30m15s", "01:30:15"],
  [":put 8d2s", "1w1d00:00:02"],
  [":put 500ms", "00:00:00.500"],
  [":put (23:00:00 + 3:00:00)", "1d02:00:00"],
  [":put 192.168.88.1/24", "192.168.88.1/24"],
  [":put *2a", "*2A"],
  [":put yes", "true"],
  [":put {1;2;\"b\"=3;a=4}", "1;2;a=4;b=3"],
  [":put {{1;2};{x=3}}", "1;2;x=3"],
  [":put a,b,c", "a;b;c"],
  [":put 0xFF", "255"],
  [":put \"\\48\\45\\4C\\4C\\4F\\r\\nThis\"", "HELLO\nThis"],
  [":put \"\\F0\\9F\\94\\B4\"", "🔴"],
  [":put \"a\\_b\\?\\$c\"", "a b?$c"],
  [":put \"joined \\\n    text\"", "joined text"]
])

table("types", [
  [":put [:typeof 4]", "num"],
  [":put [:typeof \"\"]", "str"],
  [":put [:typeof true]", "bool"],
  [":put [:typeof 1m]", "time"],
  [":put [:typeof 1.1.1.1]", "ip"],
  [":put [:typeof 1.1.1.0/24]", "ip-prefix"],
  [":put [:typeof *1]", "id"],
  [":put [:typeof {1;2}]", "array"],
  [":put [:typeof ({})]", "array"],
  [":put [:typeof []]", "nil"],
  [":put [:typeof [:nothing]]", "nothing"],
  [":local x; :put [:typeof $x]", "nothing"],
  [":put [:typeof [:find \"abc\" \"z\"]]", "nil"],
  [":put [:typeof ({a=1}->\"b\")]", "nothing"],
  [":local f do={ :return 1 }; :put [:typeof $f]", "array"],
  [":put [:typeof [:parse \":put 1\"]]", "code"],
  [":put [:typeof [:timestamp]]", "time"]
])

table("operators", [
  [":put (1 + 2 * 3 - 4 / 2)", "5"],
  [":put ((1 + 2) * -3 % 5)", "-4"],
  [":put (\"a\" . 1 + 2 . \"b\")", "a3b"],
  [":put (1 + 2 = 3 && !false)", "true"],
  [":put (1 = 2 or 2 < 3 and 3 > 4)", "false"],
  [":put (true&&true)", "true"],
  [":put (5 = \"5\")", "true"],
  [":put (true = 1)", "false"],
  [":put (\"5\" + 10)", "15"],
  [":local x; :put ($x + 1)", "1"],
  [":local x; :put ($x . \"text\")", "text"],
  [":put ([:nothing] = 0)", "false"],
  [":put ([:nothing] < 0)", "false"],
  [":put (9223372036854775807 + 1)", "-9223372036854775808"],
  [":put (192.168.88.77&255.255.255.0)", "192.168.88.0"],
  [":put (192.168.88.0|0.0.0.255)", "192.168.88.255"],
  [":put (~0.0.0.255)", "255.255.255.0"],
  [":put (192.168.1.1 + 1)", "192.168.1.2"],
  [":put (0xF0 | 0x0F)", "255"],
  [":put (1 << 4 >> 2)", "4"],
  [":put (1.1.1.1/32 in 1.0.0.0/8)", "true"],
  [":put (10.0.0.1 in 192.168.0.0/16)", "false"],
  [":put (2 in {1;2})", "true"],
  [":put (({}) = \"\"); :put ({1;2} = \"1;2\"); :put ({1;2} = {1;2})", "true\ntrue\ntrue"],
  [":put (\"test123\" ~ \"^t.*[[:digit:]]\\$\")", "true"],
  [":put (\"192x168\" ~ \"192\\\\.168\")", "false"],
  [":put ({1;2;3} , 5 )", "1;2;3;5"],
  [":put (\"x: \" . {\"c\";\"d\"})", "x: c;x: d"],
  [":put ({a={b=7}}->\"a\"->\"b\")", "7"],
  [":put ({5;6}->1)", "6"],
  [":put (1h * 2 + 30)", "02:00:30"],
  [":put (10 / 2)", "5"],
  [":put [:typeof (10/2)]", "ip-prefix"]
])

table("commands of the language", [
  [":put [:pick \"abcde\" 1 3]", "bc"],
  [":put [:pick \"abcde\" 1]", "b"],
  [":put [:pick {1;2;3} 1]", "2"],
  [":put [:pick {1;2;3} 1 9]", "2;3"],
  [":put [:find \"abcabc\" \"b\"]", "1"],
  [":put [:find \"abcabc\" \"b\" 1]", "4"],
  [":put [:find {\"x\";\"y\"} \"y\"]", "1"],
  [":put [:len \"abc\"]; :put [:len {1;2;a=3}]; :put [:len []]", "3\n3\n0"],
  [":put [:range 2 5]", "2;3;4;5"],
  [":put [:tonum \"0x1F\"]; :put [:typeof [:tonum \"23.8\"]]; :put [:typeof [:tonum \" 1 \"]]", "31\nnil\nnil"],
  [":put [:tobool 1]; :put [:typeof [:tobool \"yes\"]]", "true\nnil"],
  [":put [:toid \"*2a\"]; :put [:toip 10.0.0.0/24]; :put [:tonsec 1s]", "*2A\n10.0.0.0\n1000000000"],
  [":put [:totime \"1h30m\"]; :put [:typeof [:totime \"never\"]]", "01:30:00\nnil"],
  [":put [:len [:toarray \"a,b,c\"]]; :put [:len [:toarray \"\"]]", "3\n0"],
  [":put ([:toarray \"a/b\" delimiter=\"/\"]->1)", "b"],
  [":put [:tostr {1;2}]", "1;2"]
])

table("flow", [
  [":for i from=1 to=7 step=3 do={ :put $i }", "1\n4\n7"],
  [":for i from=3 to=1 do={ :put $i }", "3\n2\n1"],
  [":for i from=1 to=5 do={ :if ($i = 2) do={ :continue }; :if ($i = 4) do={ :break }; :put $i }", "1\n3"],
  [":foreach k,v in={2; \"aX\"=1; y=2; 5} do={:put (\"$k=$v\")}", "0=2\n1=5\naX=1\ny=2"],
  [":foreach v in={2; \"aX\"=1; y=2; 5} do={:put $v}", "2\n5\n1\n2"],
  [":foreach v in=\"dns\" do={:put $v}; :foreach v in=[] do={:put never}", "dns"],
  [":local i 0; :while ($i < 3) do={ :set i ($i + 1) }; :put $i", "3"],
  [":local i 0; :do { :set i ($i + 1) } while=($i < 3); :put $i", "3"],
  [":do { :put once } while=(false)", "once"],
  [":if (1) do={:put a} else={:put b}; :if (0) do={:put a} else={:put b}", "a\nb"],
  [":local r [:if (true) do={ :return \"yes\" } else={ :return \"no\" }]; :put $r", "yes"],
  [":put a; :return 1; :put b", "a"],
  [":put a; :exit; :put b", "a"],
  ["# a comment; :put no\n:put yes # here it is none", "expected end of command (line 2 column 10)"],
  [":put a; # a comment\n:put b", "a\nb"],
  ["{ :local a 3; { :local b 4; :put ($a + $b) } }", "7"],
  [":if ( true \\\n and true) do={ :put joined }", "joined"]
])

table("variables and functions", [
  ["{ :local x outer; { :local x inner; :put $x }; :put $x }", "inner\nouter"],
  [":local x 1; :if (true) do={ :set x 2 }; :put $x", "2"],
  [":local \"my-var\" 5; :put $\"my-var\"", "5"],
  ["{ :local a 3; { :global b 4 }; :put ($a + $b) }", "3"],
  ["{ :local a 3; { :global b 4 }; :global b; :put ($a + $b) }", "7"],
  [":global f do={ :return ($a + $1) }; :put [$f 3 a=2]", "5"],
  [":local out 1; :local f do={ :put \"seen: $out\" }; $f", "seen: "],
  [":global g 1; :global f do={ :put \"seen: $g\" }; $f", "seen: "],
  [":global g 1; :global f do={ :global g; :put \"seen: $g\" }; [$f]", "seen: 1"],
  [
    ":global my 123; :global f do={ :global my; :put $my; :set my x; :put $my }; $f my=1234; :put \"global $my\"",
    "1234\nx\nglobal 123"
  ],
  [
    ":global fac do={ :global fac; :if ($1 <= 1) do={ :return 1 }; :return ($1 * [$fac ($1 - 1)]) }; :put [$fac 20]",
    "2432902008176640000"
  ],
  [":local s [:parse \":return (\\$1 . \\\"!\\\")\"]; :put [$s hi]", "hi!"],
  [":local a ({}); :set ($a->\"x\"->\"y\") 3; :set ($a->0) 9; :put $a", "9;x=y=3"],
  [":local a {1;2;k=3}; :set ($a->1) 5; :set ($a->\"k\"); :put $a", "1;5"],
  [":local a {1}; :local b $a; :set ($b->0) 2; :put \"$a $b\"", "1 2"],
  [":global n 0; :if (true || [:if (true) do={ :set n 1; :return true }]) do={ :put $n }", "1"],
  [":put \"$[:len \"abc\"] of $(1 + 2)\"", "3 of 3"]
])
