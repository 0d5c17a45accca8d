import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { Mounter } from "../../../src/mount/Mounter.ts"
import { capturedLogs } from "../../support/CapturedLogs.ts"
import { hostFixture } from "../../support/linux/HostFixture.ts"
import { overdue, type Reaction, type Run, scriptedCommands } from "../../support/linux/ScriptedCommands.ts"

const root = "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw"
const staging = "20 1 259:1 / /staging rw,nosuid shared:9 - ext4 /dev/nvme0n1 rw"
const target = (options = "rw,nosuid", id = 21, parent = 1) =>
  `${id} ${parent} 259:1 / /target ${options} shared:9 - ext4 /dev/nvme0n1 rw`

const bindsReadOnly = "unshare --mount --propagation unchanged sh -euc " +
  `mount -o "$1" -- "$2"; mount --bind -- "$2" "$3" sh remount,bind,ro,nosuid /staging /target`

type Tables = Parameters<Effect.Success<ReturnType<typeof hostFixture>>["setMounts"]>

/**
 * A host whose mount tables are set by what its programs are scripted to do: each run of mount, umount or unshare takes the next
 * step, its answer and the tables from then on. Targets are always directories.
 */
const scripted = Effect.fnUntraced(function*(
  before: Tables,
  steps: ReadonlyArray<readonly [Reaction, ...tables: Tables | []]>
) {
  const fixture = yield* hostFixture()
  const device = yield* fixture.addDevice("nvme0n1", 1, 1024 * 1024)
  yield* fixture.setMounts(...before)
  const left = [...steps]
  const { layer, runs } = yield* scriptedCommands(({ program, args }: Run) => {
    if (program === "realpath") return { stdout: `${args.at(-1)}\0` }
    if (program === "stat") return { stdout: "41e8 0 0 4096\n" }
    const [reaction, own, host] = left.shift() ?? [{ code: 99, stderr: `not expected: ${program}` }]
    return own === undefined ? reaction : Effect.as(Effect.orDie(fixture.setMounts(own, host)), reaction)
  })
  const run = <A, E>(use: (mounter: Mounter["Service"]) => Effect.Effect<A, E>) =>
    Effect.provide(Mounter.use(use), fixture.mounter(layer))
  const changes = Effect.map(
    runs,
    (all) =>
      all.filter(({ program }) => ["mount", "umount", "unshare"].includes(program))
        .map(({ program, args }) => [program, ...args].join(" "))
  )
  const mount = run((mounter) => mounter.mount({ device, path: "/staging", fsType: "xfs", flags: ["nosuid", "ro"] }))
  const bind = (readOnly: boolean) =>
    run((mounter) => mounter.bind({ source: "/staging", target: "/target", readOnly }))
  const unmount = (path: string) => run((mounter) => mounter.unmount(path))
  return { ...fixture, device, run, mount, bind, unmount, changes }
})

describe("Mounts", () => {
  it.layer(NodeServices.layer)((it) => {
    it.effect("mounts with the options, and looks at the table afterwards", () =>
      Effect.gen(function*() {
        const { changes, device, mount } = yield* scripted([[root]], [[{}, [root, staging]]])
        yield* mount
        assert.deepStrictEqual(yield* changes, [`mount -t xfs -o nosuid,ro -- ${device.path} /staging`])
      }))

    it.effect("a mount that the table does not show, or not with this device, is a failure", () =>
      Effect.gen(function*() {
        const { mount } = yield* scripted([[root]], [[{}]])
        assert.include((yield* Effect.flip(mount)).message, "/staging")
        const other = yield* scripted([[root]], [[{}, [root, staging.replace("259:1", "259:2")]], [{}, [root]]])
        assert.strictEqual((yield* Effect.flip(other.mount))._tag, "MountFailed")
      }))

    it.effect("a mount that the host does not see is undone, since pods would write below it", () =>
      Effect.gen(function*() {
        const { changes, mount } = yield* scripted([[root]], [[{}, [root, staging], [root]], [{}, [root]]])
        assert.include((yield* Effect.flip(mount)).message, "mountPropagation Bidirectional")
        assert.strictEqual((yield* changes).at(-1), "umount --no-canonicalize -- /staging")
      }))

    it.effect("the host may have kubelet's directory under another name than the container", () =>
      Effect.gen(function*() {
        const own = ["1 0 0:9 / / rw - overlay overlay rw", "2 1 8:1 /data/kubelet / rw - ext4 /dev/sda1 rw"]
        const onHost = [root, staging.replace("/staging", "/data/kubelet/staging")]
        const { mount, run, device } = yield* scripted(
          [own, [root]],
          [[{}, [...own, staging.replace("20 1", "20 2")], onHost]]
        )
        yield* mount
        const mounts = yield* run((mounter) => mounter.mountsOf(device))
        assert.deepStrictEqual(mounts.map(({ path }) => path), ["/staging"])
      }))

    const refusals: ReadonlyArray<readonly [string, Reaction, string, RegExp]> = [
      ["limit", overdue("mount"), "MountFailed", /did not end/],
      [
        "damage",
        { code: 32, stderr: "mount: /s: mount(2) system call failed: Structure needs cleaning.\n" },
        "FilesystemDamaged",
        /xfs_repair/
      ],
      [
        "content",
        { code: 32, stderr: "mount: /s: wrong fs type, bad option, bad superblock on /dev/x,\n missing codepage.\n" },
        "ForeignContent",
        /was not mounted as xfs/
      ],
      ["other", { code: 32, stderr: "mount: /s: can't read superblock on /dev/x.\n" }, "MountFailed", /superblock/],
      ["usage", { code: 1, stderr: "mount: only root can do that\n" }, "MountFailed", /only root/]
    ]
    for (const [name, reaction, tag, message] of refusals) {
      it.effect(`a refused mount is told by mount's words: ${name}`, () =>
        Effect.gen(function*() {
          const { mount } = yield* scripted([[root]], [[reaction]])
          const error = yield* Effect.flip(mount)
          assert.strictEqual(error._tag, tag)
          assert.match(error.message, message)
        }))
    }

    it.effect("a read-only bind is one from the start, with all options (trap: a remount is not seen by the host)", () =>
      Effect.gen(function*() {
        const { bind, changes } = yield* scripted([[root, staging]], [[{}, [root, staging, target("ro,nosuid")]]])
        yield* bind(true)
        assert.deepStrictEqual(yield* changes, [bindsReadOnly])
      }))

    it.effect("where namespaces share no mounts a read-only bind is made and then remounted", () =>
      Effect.gen(function*() {
        const { bind, changes } = yield* scripted([[root, staging]], [
          [{}],
          [{}, [root, staging, target()]],
          [{}, [root, staging, target("ro,nosuid")]]
        ])
        yield* bind(true)
        assert.deepStrictEqual(yield* changes, [
          bindsReadOnly,
          "mount --bind -- /staging /target",
          "mount -o remount,bind,ro,nosuid -- /target"
        ])
      }))

    it.effect("a bind that stays writable is undone", () =>
      Effect.gen(function*() {
        const bound = [root, staging, target()]
        const { bind, changes } = yield* scripted([[root, staging]], [[{}], [{}, bound], [{}], [{}, [root, staging]]])
        assert.include((yield* Effect.flip(bind(true))).message, "stayed writable")
        assert.strictEqual((yield* changes).at(-1), "umount --no-canonicalize -- /target")
      }))

    it.effect("a bind that cannot be undone is logged, and the first failure is told", () =>
      Effect.gen(function*() {
        const logs = capturedLogs()
        const steps = [
          [{}, [root, staging, target()]],
          [{ code: 32, stderr: "mount: no\n" }],
          [{ code: 32, stderr: "umount: /target: target is busy.\n" }]
        ] as const
        const { bind } = yield* scripted([[root, staging]], steps)
        assert.include((yield* logs.run(Effect.flip(bind(true)))).message, "mount: no")
        assert.deepStrictEqual(logs.lines.map(({ message }) => message), ["a failed mount could not be undone"])
      }))

    it.effect("nothing is bound from a path where nothing is mounted", () =>
      Effect.gen(function*() {
        const { bind, changes } = yield* scripted([[root]], [])
        assert.include((yield* Effect.flip(bind(false))).message, "nothing is mounted at /staging")
        assert.deepStrictEqual(yield* changes, [])
      }))

    it.effect("trap: unpublish unmounts one of several. All go, the top one first, and never by force", () =>
      Effect.gen(function*() {
        const stack = [root, target(), target("ro", 22, 21), target("ro", 23, 22)]
        const steps = [2, 1, 0].map((left) => [{}, stack.slice(0, left + 1)] as const)
        const { changes, unmount } = yield* scripted([stack], steps)
        yield* unmount("/target")
        yield* unmount("/target")
        assert.deepStrictEqual(yield* changes, Array.from({ length: 3 }, () => "umount --no-canonicalize -- /target"))
      }))

    const unmounts: ReadonlyArray<readonly [string, Reaction, string]> = [
      ["busy", { code: 32, stderr: "umount: /target: target is busy.\n" }, "VolumeInUse"],
      ["limit", overdue("umount"), "MountFailed"],
      ["unchanged", {}, "MountFailed"],
      ["refused", { code: 32, stderr: "umount: /target: must be superuser to unmount.\n" }, "MountFailed"]
    ]
    for (const [name, reaction, tag] of unmounts) {
      it.effect(`an unmount that does not happen is a failure: ${name}`, () =>
        Effect.gen(function*() {
          const { unmount } = yield* scripted([[root, target()]], [[reaction]])
          assert.strictEqual((yield* Effect.flip(unmount("/target")))._tag, tag)
        }))
    }

    it.effect("a mount that goes by itself meanwhile is unmounted", () =>
      Effect.gen(function*() {
        const gone = { code: 32, stderr: "umount: /target: not mounted.\n" }
        const { unmount } = yield* scripted([[root, target()]], [[gone, [root]]])
        yield* unmount("/target")
      }))

    it.effect("a table that cannot be read or understood is an error, never \"not mounted\"", () =>
      Effect.gen(function*() {
        const { changes, roots, run, setMounts, unmount } = yield* scripted([[root]], [])
        yield* setMounts([`${root} `.slice(0, 20)])
        assert.strictEqual((yield* Effect.flip(unmount("/target")))._tag, "MountTableUnreadable")
        const fs = yield* FileSystem.FileSystem
        yield* fs.remove(`${roots.procRoot}/self/mountinfo`)
        assert.strictEqual((yield* Effect.flip(run((mounter) => mounter.mounts)))._tag, "MountTableUnreadable")
        assert.strictEqual((yield* Effect.flip(run((mounter) => mounter.removeTarget("/target"))))._tag, "MountFailed")
        assert.deepStrictEqual(yield* changes, [])
      }))
  })
})
