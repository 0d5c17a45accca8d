/**
 * Adds to package-lock.json the platform packages (`@dprint/darwin-arm64`, …) that `npm install` leaves out when the
 * registry it talks to is a mirror without other platforms' binaries. Without them `npm ci` refuses the lock file on
 * every machine ("Missing: … from lock file"). Run it after `npm install`; `--check` only reports.
 *
 * An added entry carries what npm needs to skip it elsewhere (os, cpu, libc) and no integrity hash, since the mirror
 * has no tarball to hash.
 */
import { readFile, writeFile } from "node:fs/promises"

interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: ReadonlyArray<string>
  readonly cpu?: ReadonlyArray<string>
  readonly libc?: ReadonlyArray<string>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Record<string, LockEntry>
}

const systems = ["linux", "darwin", "win32", "freebsd", "android", "openharmony"]
const processors = new Map([
  ["aarch64", "arm64"],
  ["armv7", "arm"],
  ...["x64", "arm64", "arm", "ia32", "riscv64", "ppc64", "s390x", "loong64", "wasm32"].map((c) => [c, c] as const)
])

/** The lock entry for platform package `name`, from the words of its name: `binding-linux-x64-musl` says all three. */
const entryFor = (name: string, version: string, dev: boolean | undefined): LockEntry => {
  const words = name.split(/[/-]/)
  const os = systems.filter((system) => words.includes(system))
  const cpu = words.flatMap((word) => processors.get(word) ?? [])
  if (cpu.length === 0) throw new Error(`${name}: its name does not say for which processor it is`)
  const libc = words.includes("musl") ? ["musl"] : words.some((word) => /^(gnu|glibc)/.test(word)) ? ["glibc"] : []
  return {
    version,
    cpu,
    ...(dev === true && { dev }),
    ...(libc.length > 0 && { libc }),
    optional: true,
    ...(os.length > 0 && { os })
  }
}

/** Where Node would find `name` for the package at `path`, nearest first. */
const candidates = (path: string, name: string): ReadonlyArray<string> => {
  const steps = path === "" ? [] : path.split(/(?<=.)\/(?=node_modules\/)/)
  return [...steps.keys(), steps.length].reverse().map((n) => [...steps.slice(0, n), `node_modules/${name}`].join("/"))
}

const file = new URL("../package-lock.json", import.meta.url)
const lock: Lock = JSON.parse(await readFile(file, "utf8"))
const added: Array<string> = []
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = candidates(path, name)
    const found = places.find((place) => lock.packages[place] !== undefined)
    const exact = /^\d/.test(version)
    if (found !== undefined && (!exact || lock.packages[found]?.version === version)) continue
    if (!exact) throw new Error(`${path}: ${name}@${version} is not in the lock file; run npm install`)
    const place = found === undefined ? `node_modules/${name}` : `${path}/node_modules/${name}`
    lock.packages[place] = entryFor(name, version, entry.dev)
    added.push(`${place}@${version}`)
  }
}

const sorted = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")))
if (added.length === 0) {
  console.log("package-lock.json names every platform's packages")
} else if (process.argv.includes("--check")) {
  console.error(`package-lock.json misses ${added.length} platform packages; run node scripts/complete-lock.ts`)
  process.exitCode = 1
} else {
  await writeFile(file, JSON.stringify({ ...lock, packages: sorted }, null, 2) + "\n")
  console.log(`package-lock.json: added ${added.length} platform packages`)
}
