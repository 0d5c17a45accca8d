import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { operator } from "../../../src/simulator/menu/Menu.ts"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool, textOf } from "../support/Disks.ts"

const initial = [pool, fileDisk(31, "vm-a"), fileDisk(32, "vm-b", 1n << 30n)]
const run = (line: string) => Effect.suspend(() => output(line, { menus: [disks(initial).menu] }))

const shows = (title: string, cases: ReadonlyArray<readonly [line: string, text: string]>) =>
  describe(title, () => {
    it.effect.each(cases)("%s", ([line, text]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* run(line), text === "" ? "" : `${text.replaceAll("\n", "\r\n")}\r\n`)
      }))
  })

shows("get", [
  [":put [/disk get [find slot=\"vm-b\"] size]", "1073741824"],
  [":put [/disk/get vm-b value-name=slot]", "vm-b"],
  [":put [/disk get *1F as-string size]", "1 099 511 627 776"],
  [":put [:typeof [/disk get vm-a nvme-tcp-export]]", "bool"],
  [":put [:typeof [/disk get vm-a comment]]", "nothing"],
  [":put ([/disk get vm-a]->\"file-path\")", "/raid10/vm-a.img"],
  [":put [/disk get [find slot=\"nosuch\"] size]", "no such item (4)"],
  [":put [/disk get *99 size]", "no such item (4)"],
  [":put [/disk get [find type=file] size]", "invalid internal item number"],
  [":put a; :put [/disk get vm-a nosuch]", "input does not match any value of value-name"]
])

shows("add", [
  [":put [/disk add type=file slot=c]; :put [/disk get c type]", "*2D\nfile"],
  [":local n [/disk add type=file slot=c file-size=1T]; :put [/disk get $n file-size]", "1099511627776"],
  ["/disk add type=file slot=c file-size=10M; :put [/disk get c file-size]", "10485760"],
  ["/disk add type=file slot=c file-size=\"5GiB\"; :put [/disk get c file-size]", "5368709120"],
  ["/disk add type=file slot=10 comment=1h; :put ([/disk get 10 slot] . [/disk get 10 comment])", "101h"],
  ["/disk add type=file slot=vm-a", "failure: already have disk with such slot"],
  [":put a; /disk add slot=c", "missing value(s) of argument(s) type"],
  [":put a; /disk add type=nosuch", "input does not match any value of type"],
  [":put a; /disk add type=file file-size=big", "invalid value for argument file-size"],
  [":put a; /disk add type=file file-size=1g", "invalid value for argument file-size"],
  [":put a; /disk add type=file mount-filesystem=maybe", "invalid value for argument mount-filesystem"],
  [":put a; /disk add type=file size=1", "expected end of command (line 1 column 29)"],
  [
    ":local s big; :onerror e in={ /disk add type=file file-size=$s } do={ :put $e }",
    "invalid value for argument file-size"
  ]
])

shows("set and remove", [
  ["/disk set [find type=file] comment=x; :put [:len [/disk find comment=\"x\"]]", "2"],
  ["/disk set vm-a,vm-b disabled=yes; :put [:len [/disk find disabled]]", "2"],
  ["/disk set numbers=*1F slot=new; :put [/disk get new .id]", "*1F"],
  ["/disk set vm-a comment=x; /disk set vm-a !comment; :put [:len [/disk get vm-a comment]]", "0"],
  [
    "/disk disable vm-a; :put [/disk get vm-a disabled]; /disk enable vm-a; :put [/disk get vm-a disabled]",
    "true\nfalse"
  ],
  ["/disk set [find slot=\"nosuch\"] comment=x; :put ok", "ok"],
  ["/disk set nosuch comment=x; :put never", "no such item (4)"],
  [":put a; /disk set comment=x", "missing value(s) of argument(s) numbers"],
  ["/disk remove [find where type=file]; :put [:len [/disk find]]", "1"],
  ["/disk remove [find slot=\"nosuch\"]; /disk remove \"\"; :put [:len [/disk find]]", "3"],
  ["/disk remove vm-a; /disk remove *1F", "no such item (4)"],
  ["/disk remove 1", "no such item (4)"]
])

shows("menu paths", [
  ["/disk/print count-only", "3"],
  ["/disk print count-only where type=file", "2"],
  [":put [/disk print count-only]", "3\n3"],
  [":put [/disk print count-only as-value]", "3"],
  ["/disk get vm-a slot; print count-only", "3"],
  ["/disk; :put [get vm-a slot]; .. ; /disk/print count-only", "vm-a\n3"],
  ["/disk { :put [get vm-a slot] }; :put [find]", "missing value(s) of argument(s) in key"],
  ["/di pr count", "3"],
  ["/disk monitor vm-a,vm-b once", "vm-a vm-b"],
  [":put [/disk monitor *20 once]", "vm-b\n7"],
  ["/disk monitor once", "missing value(s) of argument(s) numbers"],
  ["/disk//print", "expected command name (line 1 column 7)"],
  ["/disk/print/", "expected end of command (line 1 column 12)"],
  ["/disk nosuch", "bad command name nosuch (line 1 column 7)"],
  ["/disk get vm-a slot; put a", "bad command name put (line 1 column 22)"]
])

describe("rights", () => {
  it.effect.each(
    [
      ["/disk add type=file slot=c", ["read"]],
      ["/disk set vm-a comment=x", ["read"]],
      ["/disk remove vm-a", ["read"]],
      ["/disk monitor vm-a once", ["read", "write"]],
      ["/disk print", ["write"]],
      [":put [/disk find]", ["write"]],
      [":put [/disk get vm-a slot]", ["write"]]
    ] as const
  )("%s with the policies %s", ([line, policies]) =>
    Effect.gen(function*() {
      const { menu, rows } = disks(initial)
      const text = yield* output(`:onerror e in={ ${line} } do={ :put "caught $e" }`, {
        menus: [menu],
        caller: { ...operator, policies: new Set(policies) }
      })
      assert.strictEqual(text, "caught not enough permissions (9)\r\n")
      assert.deepStrictEqual((yield* rows).map((known) => textOf(known, "comment")), ["", "", ""])
    }))
})
