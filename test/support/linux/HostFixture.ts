import { Effect, FileSystem, Layer } from "effect"
import type { HostCommand } from "../../../src/linux/HostCommand.ts"
import * as LinuxMounter from "../../../src/mount/linux/LinuxMounter.ts"
import type { BlockDevice } from "../../../src/mount/Mounter.ts"

interface ProcessOptions {
  readonly name?: string
  /** Of mounts. */
  readonly namespace: number
  readonly mounts?: ReadonlyArray<string>
  readonly open?: Readonly<Record<number, { readonly path: string; readonly mount: number }>>
}

/** A directory with a proc, a sysfs and devices that a test fills; `/dev` in it holds plain files for block devices. */
export const hostFixture = Effect.fnUntraced(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const roots = { procRoot: `${directory}/proc`, sysRoot: `${directory}/sys`, devRoot: `${directory}/dev` }
  for (const root of [roots.devRoot, `${roots.sysRoot}/dev/block`, `${roots.sysRoot}/block`, roots.procRoot]) {
    yield* fs.makeDirectory(root, { recursive: true })
  }

  /** Writes a file of the fixture, with the directories above it. */
  const write = Effect.fnUntraced(function*(path: string, text: string) {
    yield* fs.makeDirectory(path.slice(0, path.lastIndexOf("/")), { recursive: true })
    yield* fs.writeFileString(path, text)
  })

  /** A device as sysfs has it, with a sparse file of its size as its content. */
  const addDevice = Effect.fnUntraced(function*(name: string, minor: number, sizeBytes: number) {
    const path = `${roots.devRoot}/${name}`
    const device: BlockDevice = { path, major: 259, minor }
    const sysfs = `${roots.sysRoot}/dev/block/259:${minor}`
    yield* write(`${sysfs}/uevent`, `MAJOR=259\nMINOR=${minor}\nDEVNAME=${name}\nDEVTYPE=disk\n`)
    yield* write(`${sysfs}/dev`, `259:${minor}\n`)
    yield* write(`${sysfs}/size`, `${sizeBytes / 512}\n`)
    yield* fs.makeDirectory(`${sysfs}/holders`)
    yield* fs.writeFileString(path, "")
    yield* fs.truncate(path, sizeBytes)
    return device
  })

  /** The mount tables of this namespace and of the host's. */
  const setMounts = Effect.fnUntraced(function*(own: ReadonlyArray<string>, host: ReadonlyArray<string> = own) {
    yield* write(`${roots.procRoot}/self/mountinfo`, own.map((line) => `${line}\n`).join(""))
    yield* write(`${roots.procRoot}/1/mountinfo`, host.map((line) => `${line}\n`).join(""))
  })

  /** A process that has files open: descriptors by number, each a path and the id of the mount that it is on. */
  const addProcess = Effect.fnUntraced(function*(pid: number | "self", options: ProcessOptions) {
    const at = `${roots.procRoot}/${pid}`
    yield* write(`${at}/comm`, `${options.name ?? "program"}\n`)
    yield* write(`${at}/mountinfo`, (options.mounts ?? []).map((line) => `${line}\n`).join(""))
    for (const directory of ["ns", "fd", "fdinfo"]) yield* fs.makeDirectory(`${at}/${directory}`)
    yield* fs.symlink(`mnt:[${options.namespace}]`, `${at}/ns/mnt`)
    yield* fs.symlink("pid:[2]", `${at}/ns/pid`)
    for (const [fd, { path, mount }] of Object.entries(options.open ?? {})) {
      yield* fs.symlink(path, `${at}/fd/${fd}`)
      yield* write(`${at}/fdinfo/${fd}`, `pos:\t0\nflags:\t0100002\nmnt_id:\t${mount}\n`)
    }
  })

  const mounter = (commands: Layer.Layer<HostCommand>) => LinuxMounter.layer(roots).pipe(Layer.provide(commands))

  return { directory, roots, write, addDevice, addProcess, setMounts, mounter }
})
