import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { parseMountInfo } from "../../../src/mount/linux/MountInfo.ts"

const parsed = (text: string) => Option.getOrThrow(parseMountInfo(text))

/** As the kernel escapes names in the table (fs/proc_namespace.c, "mangle"). */
const escape = (name: string) =>
  name.replace(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`)

const Name = Schema.String.check(Schema.isPattern(/^[ \t\n\\#\-:a-z0-9é/]{1,12}$/))
const Tags = Schema.Array(Schema.Literals(["shared:12", "master:3", "propagate_from:7", "unbindable", "future:1"]))

describe("parseMountInfo", () => {
  it("reads each field, with and without optional ones", () => {
    const text = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
      "2000 36 259:70000 / /a\\040b\\011\\012\\134 ro,nosuid - fuse.x src ro\n"
    assert.deepStrictEqual(parsed(text), [
      {
        id: 36,
        parentId: 35,
        device: { major: 98, minor: 0 },
        root: "/mnt1",
        path: "/mnt2",
        fsType: "ext3",
        options: ["rw", "noatime"],
        readOnly: false,
        filesystemReadOnly: false,
        peerGroup: Option.none(),
        hears: [1]
      },
      {
        id: 2000,
        parentId: 36,
        device: { major: 259, minor: 70_000 },
        root: "/",
        path: "/a b\t\n\\",
        fsType: "fuse.x",
        options: ["ro", "nosuid"],
        readOnly: true,
        filesystemReadOnly: true,
        peerGroup: Option.none(),
        hears: []
      }
    ])
  })

  it.each(["rw,emergency_ro", "rw,errors=remount-ro,shutdown", "ro"])(
    "a file system with %s takes no writes",
    (options) => {
      const line = `36 35 259:3 / /mnt rw,noatime shared:1 - ext4 /dev/nvme0n1 ${options}\n`
      const [mount] = Option.getOrThrow(parseMountInfo(line))
      assert.isTrue(mount?.filesystemReadOnly)
    }
  )

  it("a table with a line that is cut off or garbled is not understood, rather than a mount short", () => {
    const line = "36 35 98:0 / /mnt rw shared:1 - ext4 /dev/sda rw"
    for (const damaged of [line.slice(0, 30), "x", "36 35 98 / /mnt rw - ext4 a rw", line.replace(" - ", " ")]) {
      assert.isTrue(Option.isNone(parseMountInfo(`${line}\n${damaged}\n`)), damaged)
    }
    assert.strictEqual(parsed("").length, 0)
  })

  it.prop(
    "names come back as they were, whatever is in them",
    [Name, Name, Tags, Schema.Boolean],
    ([a, b, tags, ro]) => {
      const fields = [
        "1 0 8:1",
        escape(`/${a}`),
        escape(`/${b}`),
        "rw",
        ...tags,
        "-",
        "ext4",
        escape(a),
        ro ? "ro" : "rw"
      ]
      const [mount] = parsed(`${fields.join(" ")}\n`)
      assert.deepInclude(mount, { root: `/${a}`, path: `/${b}`, fsType: "ext4", filesystemReadOnly: ro })
      assert.deepStrictEqual(mount?.peerGroup, tags.includes("shared:12") ? Option.some(12) : Option.none())
    }
  )
})
