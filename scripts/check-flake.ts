/**
 * Evaluates flake.nix, every output for every system, against nix/stub instead of nixpkgs: without network, daemon or
 * privileges. Then checks the hashes of the dependencies in it by installing them as the flake would.
 */
import { createHash } from "node:crypto"
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { conclude, installed, root, run } from "./run.ts"

const systems = [
  { name: "x86_64-linux", cpu: "x64" },
  { name: "aarch64-linux", cpu: "arm64" }
]

const nix = (work: string, ...args: ReadonlyArray<string>) =>
  run(["nix", "--extra-experimental-features", "nix-command flakes", "--store", join(work, "store"), ...args], {
    cwd: work,
    env: { HOME: work }
  })

/** What the flake reads. A copy of it is evaluated, so that Nix does not copy node_modules to its store. */
const sources = ["flake.nix", "nix", "package.json", "package-lock.json", "tsconfig.json", "rolldown.config.ts", "src"]

const evaluate = async (work: string): Promise<ReadonlyArray<string>> => {
  const flake = join(work, "flake")
  for (const source of sources) await cp(join(root, source), join(flake, source), { recursive: true })
  const stub = ["--no-write-lock-file", "--override-input", "nixpkgs", `path:${join(flake, "nix", "stub")}`]
  const outputs = systems.flatMap(({ name }) => [`packages.${name}.default`, `devShells.${name}.default`])
  const problems: Array<string> = []
  for (const output of outputs) {
    const { code, output: said } = await nix(work, "eval", ...stub, `path:${flake}#${output}.drvPath`)
    if (code !== 0) problems.push(`flake.nix: ${output} does not evaluate:\n${said}`)
  }
  return problems
}

const installer = join("nix", "install-build-dependencies.sh")

/** The hash of the dependencies for `cpu`, kept in a cache by the content of what decides it. */
const dependencyHash = async (work: string, cpu: string): Promise<string> => {
  const key = createHash("sha256")
  for (const file of ["package-lock.json", installer]) key.update(await readFile(join(root, file))).update("\0")
  const caches = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rds-csi")
  const cache = join(caches, `dependencies-${cpu}-${key.digest("hex")}`)
  const known = await readFile(cache, "utf8").catch(() => undefined)
  if (known !== undefined) return known

  const project = join(work, cpu)
  for (const file of ["package.json", "package-lock.json", ".npmrc"]) await cp(join(root, file), join(project, file))
  const platform = [`--cpu=${cpu}`, "--os=linux", "--libc=glibc"]
  const installation = await run(["bash", join(root, installer), ...platform], { cwd: project })
  if (installation.code !== 0) throw new Error(installation.output)
  const hash = await nix(work, "hash", "path", join(project, "node_modules"))
  if (hash.code !== 0) throw new Error(hash.output)
  await mkdir(caches, { recursive: true })
  await writeFile(cache, hash.stdout.trim())
  return hash.stdout.trim()
}

const checkHashes = async (work: string): Promise<ReadonlyArray<string>> => {
  const flake = await readFile(join(root, "flake.nix"), "utf8")
  const problems: Array<string> = []
  for (const { cpu, name } of systems) {
    const hash = await dependencyHash(work, cpu)
    if (!flake.includes(`${name} = "${hash}";`)) {
      problems.push(`flake.nix: the hash of dependencies has changed; write ${name} = "${hash}";`)
    }
  }
  return problems
}

if (await installed("nix")) {
  const work = await mkdtemp(join(tmpdir(), "rds-csi-flake-"))
  try {
    conclude([...await evaluate(work), ...await checkHashes(work)], "flake.nix evaluates for every system")
  } finally {
    await run(["chmod", "-R", "u+w", work])
    await rm(work, { recursive: true })
  }
} else {
  conclude(process.env.CI === "true" ? ["nix is not installed"] : [], "skipped: nix is not installed")
}
