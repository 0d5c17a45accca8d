/**
 * The root image of the test machines: programs from Debian packages, the kernel of its cloud image, Node.js, and an init.
 * It is built once per recipe, in a minute, and kept outside of the checkout; what is tested is not part of it.
 */
import { chmod, copyFile, cp, glob, mkdir, readFile, rename, rm, symlink } from "node:fs/promises"
import { basename, join } from "node:path"
import { contentName, kept } from "../kept.ts"
import { installed, must, root } from "../run.ts"

/** Files of a built image. */
export interface VmImage {
  readonly kernel: string
  readonly initrd: string
  /** Read-only, for any number of machines. */
  readonly disk: string
}

/** What runs in the machines; each brings the libraries it needs. */
const packages = [
  "btrfs-progs",
  "busybox-static",
  "coreutils",
  "dash",
  "diffutils",
  "dmsetup",
  "e2fsprogs",
  "findutils",
  "gdisk",
  "grep",
  "iproute2",
  "kmod",
  "libstdc++6",
  "mount",
  "nvme-cli",
  "procps",
  "psmisc",
  "sed",
  "util-linux",
  "xfsprogs"
]

/** Dependencies that only scripts nobody calls here have, or that only an installation runs. */
const leftOut =
  /^(?:adduser|debconf|dpkg|init-system-helpers|lib(?:icu|perl|python3|.*-perl)|passwd|perl|python3|usrmerge)/

const kernelPackage = "linux-image-cloud-amd64"

/** What the first stage needs to see its root disk; ext4 is built in. */
const firstModules = ["virtio_pci", "virtio_blk"]

const debianPackageOf: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  "mkfs.ext4": "e2fsprogs",
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  "setpriv": "util-linux"
}

/** Debian packages of the programs that are missing. Under CI=true they are installed first. */
export const missingPackages = async (): Promise<ReadonlyArray<string>> => {
  const missing = await absent()
  if (missing.length === 0 || process.env["CI"] !== "true") return missing
  const env = { DEBIAN_FRONTEND: "noninteractive" }
  await must(["apt-get", "update", "--quiet=2"])
  await must(["apt-get", "install", "--quiet=2", "--yes", "--no-install-recommends", ...missing], { env })
  return await absent()
}

const absent = async () => {
  const found = await Promise.all(Object.keys(debianPackageOf).map(installed))
  return Object.values(debianPackageOf).filter((_, index) => !found[index])
}

/** The image, from the cache when this recipe has been built before. Needs what {@link missingPackages} names. */
export const provideImage = async (): Promise<VmImage> => {
  const place = await kept("vm", await recipe(), build)
  return { kernel: join(place, "vmlinuz"), initrd: join(place, "initrd"), disk: join(place, "root.img") }
}

const guestFiles = join(import.meta.dirname, "guest")
const node = join(root, "node_modules", "node", "bin", "node")

const recipe = async () => {
  const files = [import.meta.filename, ...(await Array.fromAsync(glob(join(guestFiles, "*")))).toSorted()]
  const parts = await Promise.all(files.map(async (file) => [basename(file), await readFile(file)]))
  return contentName(process.versions.node, ...parts.flat())
}

const build = async (image: string) => {
  const work = join(image, "making")
  const tree = join(work, "root")
  for (const folder of ["bin", "sbin", "lib", "lib64"]) {
    await mkdir(join(tree, "usr", folder), { recursive: true })
    await symlink(join("usr", folder), join(tree, folder))
  }
  for (const archive of await download(work)) await unpack(archive, tree)
  const [kernel = ""] = await Array.fromAsync(glob(join(tree, "boot", "vmlinuz-*")))
  const version = basename(kernel).replace("vmlinuz-", "")
  await rename(kernel, join(image, "vmlinuz"))
  await indexModules(tree, version)
  await makeInitrd(join(image, "initrd"), tree, version)
  await furnish(tree)
  await makeDisk(tree, join(image, "root.img"), 64)
  await rm(work, { recursive: true })
}

/** Fetches the packages with all they depend on, as if nothing were installed here; answers the archives. */
const download = async (work: string) => {
  const archives = join(work, "archives")
  await mkdir(join(archives, "partial"), { recursive: true })
  if (process.env["CI"] === "true") await must(["apt-get", "update", "--quiet=2"])
  const options = {
    "Dir::State::status": "/dev/null",
    "Dir::Cache::archives": archives,
    "Debug::NoLocking": "1",
    "APT::Sandbox::User": ""
  }
  const flags = Object.entries(options).map(([name, value]) => `--option=${name}=${value}`)
  const quiet = ["--quiet=2", "--yes", "--no-install-recommends"]
  await must(["apt-get", "install", "--download-only", ...quiet, ...flags, ...packages])
  const depends = await must(["apt-cache", "depends", kernelPackage])
  const [, image = kernelPackage] = /Depends: (linux-image-\S+)/.exec(depends) ?? []
  await must(["apt-get", "download", "--quiet=2", ...flags, image], { cwd: archives })
  const all = await Array.fromAsync(glob(join(archives, "*.deb")))
  return all.filter((archive) => !leftOut.test(basename(archive)))
}

/** Only files; an installation's scripts need a system to run in. */
const unpack = async (archive: string, tree: string) => {
  const command = `dpkg-deb --fsys-tarfile "$1" |
    tar --extract --keep-directory-symlink --directory "$2" --exclude './usr/share/*' --exclude './usr/lib/*/perl*'`
  await must(["bash", "-o", "pipefail", "-c", command, "bash", archive, tree])
}

/** With the unpacked program itself: not every machine has kmod. */
const indexModules = async (tree: string, version: string) => {
  const libraries = join(tree, "usr", "lib", "x86_64-linux-gnu")
  const loader = join(libraries, "ld-linux-x86-64.so.2")
  // A loader chooses by the name it is asked to run: depmod is a link to kmod.
  await must([
    loader,
    "--library-path",
    libraries,
    "--argv0",
    "depmod",
    join(tree, "usr/bin/kmod"),
    "-b",
    tree,
    version
  ])
}

const makeInitrd = async (initrd: string, tree: string, version: string) => {
  const stage = `${tree}-initrd`
  for (const folder of ["bin", "dev", "disk", "modules", "proc"]) await mkdir(join(stage, folder), { recursive: true })
  await copyFile(join(tree, "bin", "busybox"), join(stage, "bin", "busybox"))
  await install("initrd-init", join(stage, "init"))
  const modules = join(tree, "lib/modules", version)
  for (const [index, module] of (await withDependencies(modules, firstModules)).entries()) {
    await copyFile(join(modules, module), join(stage, "modules", `${String(index).padStart(2, "0")}.ko`))
  }
  const command = `find . | "$1" cpio -o -H newc > "$2"`
  await must(["sh", "-c", command, "sh", join(tree, "bin/busybox"), initrd], { cwd: stage })
}

/** The files of the modules, each after those it needs. */
const withDependencies = async (modules: string, names: ReadonlyArray<string>) => {
  const lines = (await readFile(join(modules, "modules.dep"), "utf8")).split("\n").map((line) => line.split(/:? /))
  const files = names.flatMap((name) =>
    lines.find(([file]) => basename(file ?? "") === `${name}.ko`)?.toReversed() ?? []
  )
  return [...new Set(files.filter((file) => file !== ""))]
}

const install = async (name: string, target: string) => {
  await copyFile(join(guestFiles, name), target)
  await chmod(target, 0o755)
}

/** What no package brings. */
const furnish = async (tree: string) => {
  const folders = ["dev", "etc", "proc", "programs", "run", "sys", "tmp", "var/lib"]
  for (const folder of folders) await mkdir(join(tree, folder), { recursive: true })
  await cp(node, join(tree, "usr/bin/node"), { dereference: true })
  await symlink("/bin/busybox", join(tree, "usr/sbin/init"))
  await symlink("/bin/busybox", join(tree, "usr/bin/hostname"))
  await symlink("dash", join(tree, "usr/bin/sh")).catch(() => undefined)
  await symlink("/proc/mounts", join(tree, "etc/mtab"))
  await install("inittab", join(tree, "etc/inittab"))
  await install("rc", join(tree, "etc/rc"))
}

/** An ext4 image of a directory, with so many MiB to spare. */
export const makeDisk = async (directory: string, file: string, spareMiB: number): Promise<void> => {
  const [used = "0"] = (await must(["du", "-sk", directory])).split("\t")
  const sizeKiB = Math.ceil(Number(used) * 1.1) + spareMiB * 1024
  await must(["mkfs.ext4", "-q", "-O", "^has_journal", "-d", directory, file, `${sizeKiB}k`])
}
