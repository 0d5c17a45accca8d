/**
 * Evaluates flake.nix, every output for every system, against nix/stub instead of nixpkgs: without network, daemon or
 * privileges. Then checks the hashes of the dependencies in it by installing them as the flake would.
 */
import { createHash } from "node:crypto"
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
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

/** Evaluates against the stub instead of nixpkgs. */
const stubbed = (work: string) => [
  "--no-write-lock-file",
  "--override-input",
  "nixpkgs",
  `path:${join(work, "flake", "nix", "stub")}`
]

const evaluate = async (work: string): Promise<ReadonlyArray<string>> => {
  const flake = join(work, "flake")
  for (const source of sources) await cp(join(root, source), join(flake, source), { recursive: true })
  const outputs = systems.flatMap(({ name }) => [`packages.${name}.default`, `devShells.${name}.default`])
  const problems: Array<string> = []
  for (const output of outputs) {
    const { code, output: said } = await nix(work, "eval", ...stubbed(work), `path:${flake}#${output}.drvPath`)
    if (code !== 0) problems.push(`flake.nix: ${output} does not evaluate:\n${said}`)
  }
  return problems
}

/** As much of nixpkgs' lib as the module for nodes reads; and the module on a machine that switches it on. */
const machine = `path: (import path {
  config.services.rds-csi-node = { enable = true; fileSystems = [ "ext4" ]; stateDirectory = "/run/rds-csi"; };
  lib = {
    mkEnableOption = text: text;
    mkOption = option: option;
    mkIf = on: then_: if on then then_ else { };
    types = { path = "path"; enum = words: words; listOf = type: type; };
  };
  pkgs.nvme-cli = "nvme-cli";
}).config`

/** What the module makes of it: names of options are not checked, for that takes all of NixOS. */
const wanted = {
  boot: { kernelModules: ["nvme-tcp"], kernelParams: ["nvme_core.multipath=Y"], supportedFilesystems: ["ext4"] },
  environment: { systemPackages: ["nvme-cli"] },
  systemd: { tmpfiles: { rules: ["d /run/rds-csi 0700 root root -"] } }
}

const checkModule = async (work: string): Promise<ReadonlyArray<string>> => {
  const module = [`path:${join(work, "flake")}#nixosModules.default`, "--json", "--apply", machine]
  const { code, output, stdout } = await nix(work, "eval", ...stubbed(work), ...module)
  if (code !== 0) return [`nix/node-module.nix does not evaluate:\n${output}`]
  return isDeepStrictEqual(JSON.parse(stdout), wanted) ? [] : [`nix/node-module.nix makes ${stdout}`]
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
    conclude(
      [...await evaluate(work), ...await checkModule(work), ...await checkHashes(work)],
      "flake.nix evaluates for every system"
    )
  } finally {
    await run(["chmod", "-R", "u+w", work])
    await rm(work, { recursive: true })
  }
} else {
  conclude(process.env.CI === "true" ? ["nix is not installed"] : [], "skipped: nix is not installed")
}
