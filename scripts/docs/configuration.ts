/** The generated parts of docs/configuration.md. */
import { Effect } from "effect"
import { translateGoFlags } from "../../src/cli/GoFlags.ts"
import { tuningRules } from "../../src/volume/ConnectionTuning.ts"
import { decodeMigrationTimeout } from "../../src/volume/MigrationTimeout.ts"
import { validateBase } from "../../src/volume/PathRules.ts"
import { decode, type StorageClassParameters } from "../../src/volume/StorageClassParameters.ts"
import type { FlagFacts, SubcommandFacts } from "./flags.ts"
import { code, plain, table } from "./markdown.ts"

/** The same flag of one or more subcommands. */
interface SharedFlag {
  readonly flag: FlagFacts
  readonly having: ReadonlyArray<string>
  /** Those of them that do not run without it. */
  readonly demanding: ReadonlyArray<string>
}

const shared = (subcommands: ReadonlyArray<SubcommandFacts>): ReadonlyArray<SharedFlag> => {
  const all = subcommands.flatMap(({ flags, name }) => flags.map((flag) => ({ flag, name })))
  return [...Map.groupBy(all, ({ flag }) => `${flag.name}: ${flag.description}`).values()].flatMap((uses) => {
    const [first] = uses
    const having = uses.map(({ name }) => name)
    const demanding = uses.filter(({ flag }) => flag.fallback === undefined).map(({ name }) => name)
    return first === undefined ? [] : [{ flag: first.flag, having, demanding }]
  })
}

/** One table for each set of subcommands that share flags. */
export const flagTables = (subcommands: ReadonlyArray<SubcommandFacts>): string =>
  [...Map.groupBy(shared(subcommands), ({ having }) => having.map(code).join(", "))]
    .map(([having, flags]) => `### ${having}\n\n${flagTable(flags)}`)
    .join("\n\n")

const flagTable = (flags: ReadonlyArray<SharedFlag>) =>
  table(
    ["Flag", "Value", "Default", "Environment", "Meaning"],
    flags.map(({ demanding, flag, having }) => {
      const { meaning, values } = valuesOf(flag)
      const needed = demanding.length === having.length ? "required" : `required by ${demanding.map(code).join(", ")}`
      const fallback = demanding.length > 0 ? needed : code(flag.fallback ?? "")
      return [nameOf(flag), values, fallback, code(flag.variable ?? ""), meaning]
    })
  )

/** The flags that every subcommand has. */
export const globalFlagTable = ([first]: ReadonlyArray<SubcommandFacts>): string =>
  table(
    ["Flag", "Value", "Meaning"],
    (first?.globalFlags ?? []).map((flag) => {
      const { meaning, values } = valuesOf(flag)
      return [nameOf(flag), values, meaning]
    })
  )

const nameOf = ({ aliases, name }: FlagFacts) => [`--${name}`, ...aliases].map(code).join(", ")

/** The choices of a flag are the name of its value, or `--help` puts them behind its description. */
const valuesOf = ({ description, type }: FlagFacts) => {
  const [, text = description, choices] = /^(.*) \(choices: (.*)\)$/s.exec(description) ?? []
  const words = choices?.split(", ") ?? (/^[\w-]+(\|[\w-]+)+$/.test(type) ? type.split("|") : undefined)
  return { meaning: plain(text), values: words === undefined ? plain(type) : words.map(code).join(", ") }
}

/** The environment variables that stand in for flags, by name. */
export const environmentTable = (subcommands: ReadonlyArray<SubcommandFacts>): string =>
  table(
    ["Variable", "Instead of", "Subcommands"],
    shared(subcommands)
      .flatMap(({ flag: { name, variable }, having }) =>
        variable === undefined ? [] : [[code(variable), code(`--${name}`), having.map(code).join(", ")]]
      )
      .sort(([a = ""], [b = ""]) => a < b ? -1 : 1)
  )

/** The range in which `migrationTimeoutSeconds` is kept. */
const migrationRange = `${decodeMigrationTimeout("1").seconds} to ${decodeMigrationTimeout("999999").seconds}, clamped`

const seconds = ({ maximum, minimum }: { readonly maximum: number; readonly minimum: number }) =>
  `${minimum} to ${maximum}`

const parameterProse: {
  readonly [Key in keyof StorageClassParameters]: { readonly allowed: string; readonly meaning: string }
} = {
  volumePath: {
    allowed: "the base path or a directory below it",
    meaning: "Directory of the image on the appliance; missing directories are made"
  },
  nvmeAddress: { allowed: "IPv4 or IPv6 address", meaning: "Address of the appliance to which nodes connect" },
  nvmePort: { allowed: "1 to 65535", meaning: "TCP port of the export" },
  rdsAddress: {
    allowed: "host name or address",
    meaning: "Copied into the volume context, nothing else: SSH goes to `--rds-address` whatever a class says"
  },
  ctrlLossTmo: {
    allowed: seconds(tuningRules.ctrlLossTmo),
    meaning: "Seconds for which a lost connection is tried again; -1: for ever, I/O waits; 0: the kernel's default"
  },
  reconnectDelay: { allowed: seconds(tuningRules.reconnectDelay), meaning: "Seconds between two such attempts" },
  keepAliveTmo: {
    allowed: seconds(tuningRules.keepAliveTmo),
    meaning: "Seconds without an answer after which a connection counts as lost; 0: the kernel's default"
  },
  migrationTimeoutSeconds: {
    allowed: migrationRange,
    meaning: "Seconds after which a live migration is reported as failed; no node is cut off"
  }
}

/** What a class without any parameter means; flags stand for what is configured. */
const defaults = Effect.gen(function*() {
  const base = yield* Effect.fromResult(validateBase("/base"))
  const addresses = { base, nvmeAddress: "192.0.2.1", rdsAddress: "rds" }
  const { parameters } = yield* Effect.fromResult(decode({}, addresses))
  return {
    ...parameters,
    volumePath: "--rds-volume-base-path",
    nvmeAddress: "--nvme-address",
    rdsAddress: "--rds-address"
  }
})

/** The keys of a StorageClass. */
export const parameterTable = Effect.map(defaults, (values) =>
  table(
    ["Key", "Allowed", "Default", "Meaning"],
    Object.entries(values).map(([key, value]) => {
      const prose = Object.entries(parameterProse).find(([name]) => name === key)?.[1]
      return [code(key), prose?.allowed ?? "", code(String(value)), prose?.meaning ?? ""]
    })
  ))

/** The flags of the Go driver's plugin, with the default that each had there. */
const goFlags: Readonly<Record<string, string>> = {
  endpoint: "unix:///var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock",
  "node-id": "",
  "driver-name": "rds.csi.srvlab.io",
  controller: "false",
  node: "false",
  version: "false",
  "rds-address": "",
  "rds-port": "22",
  "rds-user": "admin",
  "rds-key-file": "/etc/rds-csi/ssh-key/id_rsa",
  "rds-host-key": "",
  "rds-insecure-skip-verify": "false",
  "rds-volume-base-path": "",
  "metrics-address": ":9809",
  v: "0",
  "enable-orphan-reconciler": "false",
  "orphan-check-interval": "1h",
  "orphan-grace-period": "5m",
  "orphan-dry-run": "true",
  "attachment-grace-period": "30s",
  "attachment-reconcile-interval": "5m",
  "enable-vmi-serialization": "false",
  "vmi-cache-ttl": "60s",
  kubeconfig: "",
  logtostderr: "true",
  alsologtostderr: "false",
  stderrthreshold: "2"
}

/** What becomes of each flag of the Go driver. */
export const goFlagTable = (subcommands: ReadonlyArray<SubcommandFacts>): string => {
  const flags = shared(subcommands.filter(({ name }) => name !== "simulator" && !name.startsWith("orphans"))).map((
    { flag }
  ) => flag)
  return table(
    ["Go driver", "Here"],
    Object.entries(goFlags).map(([name, before]) => [code(`-${name}`), fateOf(name, before, flags)])
  )
}

const fateOf = (name: string, before: string, flags: ReadonlyArray<FlagFacts>): string => {
  const { args: [first = ""], warnings: [warning] } = translateGoFlags([`-${name}=true`])
  if (warning !== undefined) return `accepted without effect, with a warning: ${warning.replace(/^.*?: /, "")}`
  if (!first.startsWith("--")) return `the subcommand ${code(first)}`
  const kept = flags.find((flag) => flag.name === name || flag.aliases.includes(`--${name}`))
  if (kept === undefined) return `becomes ${code(first)}`
  const fallback = kept.fallback ?? ""
  const same = fallback === before || (fallback === "off" && before === "false") ||
    (fallback === "on" && before === "true")
  const changed = same ? "" : `; the default was ${before === "" ? "empty" : code(before)} and is ${code(fallback)}`
  return `${code(`--${kept.name}`)}${changed}`
}
