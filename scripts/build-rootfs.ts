/**
 * Makes the file set of image/Dockerfile in a directory, without a container engine: Debian's packages by mmdebstrap, Node.js
 * and the bundle of this checkout, by the scripts that the Dockerfile runs as well. Then runs every program in it.
 *
 *     node scripts/build-rootfs.ts /tmp/rootfs
 *
 * As root. It takes a minute and 400 MB, and is no part of `npm run check`.
 */
import { copyFile, cp, glob, mkdir, readFile, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { conclude, installed, root, run } from "./run.ts"

const image = join(root, "image")

/** What a program prints; throws what it said when it fails. */
const must = async (command: readonly [string, ...ReadonlyArray<string>]): Promise<string> => {
  const { code, output, stdout } = await run(command)
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`)
  return stdout
}

/** The release of Debian that the Dockerfile names by number. */
const debian = async (): Promise<string> => {
  const [, version = ""] = /^ARG DEBIAN=(\d+)/m.exec(await readFile(join(image, "Dockerfile"), "utf8")) ?? []
  const name = new Map([["12", "bookworm"], ["13", "trixie"]]).get(version)
  if (name === undefined) throw new Error(`Debian ${version} has no name here`)
  return name
}

const packages = async (): Promise<ReadonlyArray<string>> => {
  const lines = (await readFile(join(image, "programs.txt"), "utf8")).split("\n")
  return [...new Set(lines.filter((line) => !line.startsWith("#")).flatMap((line) => line.split(" ", 1)))]
    .filter((name) => name !== "")
}

const build = async (tree: string): Promise<string> => {
  const include = `--include=${(await packages()).join(",")}`
  await must([
    "mmdebstrap",
    "--variant=minbase",
    "--aptopt=APT::Install-Recommends false",
    include,
    await debian(),
    tree
  ])
  for (const useless of ["usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"]) {
    await rm(join(tree, useless), { recursive: true, force: true })
  }
  await mkdir(join(tree, "tmp/image"), { recursive: true })
  for (const file of ["programs.txt", "check.sh", "warm-up.sh"]) {
    await copyFile(join(image, file), join(tree, "tmp/image", file))
  }
  await copyFile(join(root, "node_modules/node/bin/node"), join(tree, "usr/local/bin/node"))
  const program = join(tree, "usr/lib/rds-csi")
  await cp(join(root, "dist"), program, { recursive: true })
  for await (const map of glob("**/*.map", { cwd: program })) await rm(join(program, map))
  await must(["chmod", "a+x", join(program, "rds-csi.js")])
  await symlink("/usr/lib/rds-csi/rds-csi.js", join(tree, "usr/local/bin/rds-csi"))
  const inside = (script: string, argument: string) => must(["chroot", tree, `/tmp/image/${script}`, argument])
  const versions = await inside("check.sh", "/tmp/image/programs.txt")
  await inside("warm-up.sh", "/usr/lib/rds-csi/compile-cache")
  await rm(join(tree, "tmp/image"), { recursive: true })
  const asUser = ["chroot", "--userspec=65532:65532", tree, "tini", "-s", "--", "rds-csi", "--version"] as const
  return `${versions}rds-csi     ${(await must(asUser)).trim()}\n${await must(["du", "-sh", tree])}`
}

const [tree] = process.argv.slice(2)
const missing = (await Promise.all(["mmdebstrap", "chroot"].map(async (name) => await installed(name) ? [] : [name])))
  .flat()
if (tree === undefined || missing.length > 0 || process.getuid?.() !== 0) {
  conclude([
    `node scripts/build-rootfs.ts <directory>, as root${missing.map((name) => `; ${name} is missing`).join("")}`
  ], "")
} else {
  await must(["node", "scripts/build-if-stale.ts"])
  conclude([], await build(tree))
}
