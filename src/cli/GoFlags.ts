/** What an argument vector of the Go driver means here, and what has to be said about it. */
export interface Translation {
  readonly args: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

const subcommands = new Set(["controller", "node", "all", "orphans", "simulator", "version"])

/** Go flags whose feature this driver does without, or does always; with the reason a user wants to read. */
const withoutEffect: Readonly<Record<string, string>> = {
  "enable-vmi-serialization": "requests for one volume are always serialized",
  "vmi-cache-ttl": "requests for one volume are always serialized",
  logtostderr: "logs always go to stderr",
  alsologtostderr: "logs always go to stderr",
  stderrthreshold: "use --log-level"
}

interface GoFlag {
  readonly name: string
  readonly value: string | undefined
}

// The Go flag package takes one dash or two, and `-name=value` or `-name value`. A single letter other than `v` is ours (`-h`).
const parseFlag = (arg: string): GoFlag | undefined => {
  const match = /^--?(v|[a-z][a-z-]+)(?:=(.*))?$/s.exec(arg)
  return match?.[1] === undefined ? undefined : { name: match[1], value: match[2] }
}

const isTrue = (flag: GoFlag | undefined) =>
  flag !== undefined && (flag.value === undefined || ["1", "t", "true"].includes(flag.value.toLowerCase()))

/**
 * Translates the command line of the Go driver (`-controller -node -rds-address=… -v=5`), so that its manifests start this
 * driver unchanged. A command line that begins with a subcommand of ours is only relieved of single dashes.
 *
 * **Details** `-controller` and `-node` choose the subcommand, `-v=N` becomes a log level, `-version` the `version`
 * subcommand; flags without effect here are taken out, each with a warning that says why.
 */
export const translateGoFlags = (argv: ReadonlyArray<string>): Translation => {
  const args: Array<string> = []
  const warnings: Array<string> = []
  const roles = { controller: false, node: false, version: false }
  const [first] = argv
  const ours = first !== undefined && (subcommands.has(first) || first === "help")

  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? ""
    const flag = parseFlag(arg)
    const next = argv[i + 1]
    const takesNext = flag?.value === undefined && next !== undefined && !next.startsWith("-")
    if (flag === undefined) {
      args.push(arg)
    } else if (!ours && (flag.name === "controller" || flag.name === "node" || flag.name === "version")) {
      roles[flag.name] = isTrue(flag)
    } else if (flag.name === "v") {
      args.push("--log-level", logLevel(flag.value ?? (takesNext ? next : "0")))
      if (takesNext) i++
    } else if (withoutEffect[flag.name] !== undefined) {
      warnings.push(`--${flag.name} has no effect: ${withoutEffect[flag.name]}`)
      if (takesNext && !isBoolean(flag.name)) i++
    } else {
      args.push(flag.value === undefined ? `--${flag.name}` : `--${flag.name}=${flag.value}`)
    }
  }
  return { args: ours ? args : [...subcommandFor(roles), ...args], warnings }
}

const isBoolean = (name: string) => name.startsWith("enable-") || name.includes("tostderr")

// klog's 4 and above are what people switch on to debug.
const logLevel = (verbosity: string) => Number(verbosity) >= 4 ? "debug" : "info"

const subcommandFor = (roles: { controller: boolean; node: boolean; version: boolean }): ReadonlyArray<string> => {
  if (roles.version) return ["version"]
  if (roles.controller && roles.node) return ["all"]
  if (roles.controller) return ["controller"]
  return roles.node ? ["node"] : []
}
