import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { output } from "../support/Console.ts"
import { disks, fileDisk, pool } from "../support/Disks.ts"

// A report as administrators write them for real devices: nothing in it is particular to this simulator.
const report = String.raw`
# Report of exported disks, and renumbering of those on an old port
:global reportLines ({})
:global say do={
  :global reportLines
  :set ($reportLines->[:len $reportLines]) $1
  :if ([:typeof $level] = "str") do={ :put "[$level] $1" } else={ :put $1 }
}

:local gigabyte 1073741824
:local wantedPort 4421
:local prefix "vm-"
:local total 0
:local count 0
:local names ({})

:if ([:len [/disk/find where type=raid]] = 0) do={
  :error "no pool"
}

:foreach disk in=[/disk/print detail as-value where type=file and slot~"^$prefix"] do={
  :local slotName ($disk->"slot")
  :local bytes ($disk->"size")
  :local note ($disk->"comment")
  :if ([:typeof $note] = "nothing") do={ :set note "-" }
  :set total ($total + $bytes)
  :set count ($count + 1)
  :set ($names->$slotName) ($bytes / $gigabyte)
  :if (($disk->"nvme-tcp-server-port") != $wantedPort && ($disk->"nvme-tcp-export")) do={
    :onerror e in={
      /disk set [find where slot=$slotName] nvme-tcp-server-port=$wantedPort \
        comment=("moved from " . ($disk->"nvme-tcp-server-port"))
    } do={
      $say ("cannot move " . $slotName . ": " . $e) level="error"
    }
  }
  $say ("disk " . $slotName . " note " . $note)
}

:foreach k,v in=$names do={
  :if ($v >= 1024) do={
    $say "$k is large: $v GiB" level="info"
  } else={
    $say "$k is small: $[:tostr $v] GiB"
  }
}

:do {
  :local step 0
  :while (true) do={
    :set step ($step + 1)
    :if ($step > 2) do={ :break }
    :delay 10ms
  }
  $say "waited $step times"
} on-error={ :put "unexpected" }

$say ("total " . ($total / $gigabyte) . " GiB on " . $count . " disks")
:put [:len $reportLines]
:put [:serialize to=json value=[/disk/get [find slot="vm-a"] comment]]
`

it.live("a script written for a device runs: variables, functions, loops, maps, as-value, set with find", () =>
  Effect.gen(function*() {
    const { menu } = disks([pool, fileDisk(31, "vm-a"), fileDisk(32, "vm-b", 1n << 30n), fileDisk(33, "other")])
    const text = yield* output(report, { menus: [menu] })
    assert.deepStrictEqual(text.split("\r\n"), [
      "disk vm-a note -",
      "disk vm-b note -",
      "[info] vm-a is large: 1024 GiB",
      "vm-b is small: 1 GiB",
      "waited 3 times",
      "total 1025 GiB on 2 disks",
      "6",
      "\"moved from 4420\"",
      ""
    ])
  }))

it.effect("an envelope tells a finished script from a failed one, though neither has an exit status", () =>
  Effect.gen(function*() {
    const { menu, rows } = disks([pool])
    const line = [
      ":onerror e in={",
      "  :if ([:len [/disk find where slot=\"a\"]] = 0) do={ /disk/add type=file slot=\"a\" file-size=1G }",
      "  :put \"n1 ok\"",
      "} do={ :put (\"n1 err \" . $e) }",
      ":local rows [/disk/print detail as-value where slot=\"a\"]",
      ":put [:serialize to=json options=json.no-string-conversion value=$rows]"
    ].join("\n")
    const first = yield* output(line, { menus: [menu] })
    const second = yield* output(line, { menus: [menu] })
    assert.strictEqual(
      first,
      "n1 ok\r\n[{\".id\":\"*2B\",\"file-size\":1073741824,\"slot\":\"a\",\"type\":\"file\"}]\r\n"
    )
    assert.strictEqual(second, first)
    assert.lengthOf(yield* rows, 2)
    const failed = yield* output(
      ":onerror e in={ /disk add type=file slot=a; :put \"n2 ok\" } do={ :put (\"n2 err \" . $e) }",
      {
        menus: [menu]
      }
    )
    assert.strictEqual(failed, "n2 err failure: already have disk with such slot\r\n")
  }))
