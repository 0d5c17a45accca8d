/**
 * The file set of image/Dockerfile, made without a container engine in the order of its steps: Debian by mmdebstrap and its
 * packages by install.sh, then Node.js and the bundle of this checkout. What each build has in common is kept. Of the
 * image's files only the list of the bundle's packages (SBOM) is not in it.
 */
import { copyFile, cp, glob, mkdir, readFile, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { setup as buildIfStale } from "../build-if-stale.ts"
import { contentName, kept } from "../kept.ts"
import { installed, must, root } from "../run.ts"

const image = join(root, "image")

/** What stands in the way of making it here; empty: nothing. */
export const missingForRootfs = async (): Promise<ReadonlyArray<string>> => {
  const programs = ["mmdebstrap", "chroot", "tar"]
  const found = await Promise.all(programs.map(installed))
  const missing = programs.filter((_, index) => !found[index])
  return process.getuid?.() === 0 ? missing : [...missing, "root's rights"]
}

/** The release of Debian that the Dockerfile names by number. */
const release = async (): Promise<string> => {
  const [, version = ""] = /^ARG DEBIAN=(\d+)/m.exec(await readFile(join(image, "Dockerfile"), "utf8")) ?? []
  const name = new Map([["12", "bookworm"], ["13", "trixie"]]).get(version)
  if (name === undefined) throw new Error(`Debian ${version} has no name here`)
  return name
}

/** Debian with the image's packages, as an archive: an interrupted build leaves no mounts behind in what is kept. */
const provideDebian = async (): Promise<string> => {
  const debian = await release()
  const files = [import.meta.filename, join(image, "install.sh"), join(image, "programs.txt")]
  const name = contentName(debian, ...await Promise.all(files.map((file) => readFile(file))))
  const place = await kept("rootfs", name, (directory) => {
    const install = [
      `cp "${image}/install.sh" "${image}/programs.txt" "$1/tmp/"`,
      `chroot "$1" /tmp/install.sh /tmp/programs.txt`,
      `rm "$1/tmp/install.sh" "$1/tmp/programs.txt"`
    ].join(" && ")
    return must([
      ["mmdebstrap", "--quiet", "--variant=minbase", `--customize-hook=${install}`],
      [debian, join(directory, "debian.tar")]
    ].flat())
  })
  return join(place, "debian.tar")
}

const addDriver = async (tree: string) => {
  const program = join(tree, "usr/lib/rds-csi")
  await cp(join(root, "dist"), program, { recursive: true })
  for await (const map of glob("**/*.map", { cwd: program })) await rm(join(program, map))
  await must(["chmod", "a+x", join(program, "rds-csi.js")])
  await symlink("/usr/lib/rds-csi/rds-csi.js", join(tree, "usr/local/bin/rds-csi"))
}

/** Fills the directory, and runs each program in it; answers their versions. Needs what {@link missingForRootfs} names. */
export const buildRootfs = async (tree: string): Promise<string> => {
  await buildIfStale()
  await mkdir(tree, { recursive: true })
  await must(["tar", "--extract", "--numeric-owner", "--directory", tree, "--file", await provideDebian()])
  const scripts = join(tree, "tmp/image")
  await mkdir(scripts)
  for (const file of ["programs.txt", "check.sh", "warm-up.sh"]) await copyFile(join(image, file), join(scripts, file))
  const inside = (script: string, argument: string) => must(["chroot", tree, `/tmp/image/${script}`, argument])
  await copyFile(join(root, "node_modules/node/bin/node"), join(tree, "usr/local/bin/node"))
  const versions = await inside("check.sh", "/tmp/image/programs.txt")
  await addDriver(tree)
  await inside("warm-up.sh", "/usr/lib/rds-csi/compile-cache")
  await rm(scripts, { recursive: true })
  const asUser = ["chroot", "--userspec=65532:65532", tree, "tini", "-s", "--", "rds-csi", "--version"] as const
  return `${versions}rds-csi     ${(await must(asUser)).trim()}\n`
}
