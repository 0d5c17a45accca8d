/** The command line as data: what `--help` knows, and what each flag answers when it is not given. */
import { ConfigProvider, Duration, Effect, Option, Schema } from "effect"
import { CliOutput, Command, Flag, type HelpDoc } from "effect/cli"
import { allCommand } from "../../src/cli/AllCommand.ts"
import { applianceFlags } from "../../src/cli/ApplianceFlags.ts"
import { attachmentFlags, kubeconfig } from "../../src/cli/AttachmentFlags.ts"
import { commonFlags, nodeId } from "../../src/cli/CommonFlags.ts"
import { controllerCommand } from "../../src/cli/ControllerCommand.ts"
import { nodeCommand, nodeFlags } from "../../src/cli/NodeCommand.ts"
import { orphanFlags } from "../../src/cli/OrphanFlags.ts"
import { listCommand, listFlags, removeCommand, removeFlags } from "../../src/cli/OrphansCommand.ts"
import { simulatorCommand } from "../../src/cli/Simulator.ts"
import { simulatorFlags } from "../../src/cli/SimulatorFlags.ts"
import { formatEndpoint } from "../../src/csi/Endpoint.ts"

/** A flag of one subcommand. */
export interface FlagFacts {
  readonly name: string
  readonly aliases: ReadonlyArray<string>
  readonly type: string
  readonly description: string
  /** What holds without the flag, written as the flag takes it (empty: nothing); undefined when the flag must be given. */
  readonly fallback: string | undefined
  /** The environment variable that is read when the flag is not given. */
  readonly variable: string | undefined
}

/** A subcommand with its own flags, and those that every subcommand has. */
export interface SubcommandFacts {
  readonly name: string
  readonly flags: ReadonlyArray<FlagFacts>
  readonly globalFlags: ReadonlyArray<FlagFacts>
}

/** What `--help` would show, before it is laid out. */
const helpOf = Effect.fnUntraced(
  function*<Name extends string, Input, Context, E, R>(command: Command.Command<Name, Input, Context, E, R>) {
    const shown: Array<HelpDoc.HelpDoc> = []
    const present: CliOutput.Presenter["present"] = (event) =>
      Effect.sync(() => event._tag === "Help" ? void shown.push(event.helpDoc) : undefined)
    yield* Command.runWith(command, { version: "" })(["--help"]).pipe(
      Effect.provide(CliOutput.layerPresenter({ present }))
    )
    const [help] = shown
    return help ?? (yield* Effect.die(`${command.name} shows no help`))
  }
)

const factsOf = (
  { aliases, description, name, type }: HelpDoc.FlagDoc,
  rest: Pick<FlagFacts, "fallback" | "variable">
): FlagFacts => ({ name, aliases, type, description: Option.getOrElse(description, () => ""), ...rest })

/** The flag by itself: parsed from an empty command line, in an environment that notes what it is asked for. */
const inspect = Effect.fnUntraced(function*<A>(flag: Flag.Flag<A>) {
  const asked: Array<string> = []
  const environment = ConfigProvider.make((path) => Effect.sync(() => void asked.push(path.join("_"))))
  const parsed = yield* Effect.option(
    Effect.provide(flag.parse({ flags: {}, arguments: [] }), ConfigProvider.layer(environment))
  )
  const { flags: [doc] } = yield* helpOf(Command.make("flag", { flag }))
  if (doc === undefined) return yield* Effect.die("a flag without name")
  const fallback = Option.match(parsed, { onNone: () => undefined, onSome: ([, value]) => written(value) })
  return factsOf(doc, { fallback, variable: asked[0] })
})

const binaryUnits = [["Ti", 1n << 40n], ["Gi", 1n << 30n], ["Mi", 1n << 20n], ["Ki", 1n << 10n], ["", 1n]] as const
const timeUnits = [["h", 3_600_000], ["m", 60_000], ["s", 1000], ["ms", 1]] as const

const isListenAddress = Schema.is(Schema.Struct({ host: Schema.Option(Schema.String), port: Schema.Int }))
const isEndpoint = Schema.is(Schema.Union([
  Schema.TaggedStruct("Unix", { path: Schema.String }),
  Schema.TaggedStruct("Tcp", { host: Schema.String, port: Schema.Int })
]))

/** The value of a flag as one would write it. */
const written = (value: unknown): string => {
  if (Option.isOption(value)) return Option.match(value, { onNone: () => "", onSome: written })
  if (Array.isArray(value)) return value.map(written).join(",")
  if (Duration.isDuration(value)) {
    const millis = Duration.toMillis(value)
    const [unit, size] = timeUnits.find(([, size]) => millis > 0 && millis % size === 0) ?? ["s", 1]
    return `${millis / size}${unit}`
  }
  if (typeof value === "bigint") {
    const [unit, size] = binaryUnits.find(([, size]) => value > 0n && value % size === 0n) ?? ["", 1n]
    return `${value / size}${unit}`
  }
  if (typeof value === "boolean") return value ? "on" : "off"
  if (typeof value === "string" || typeof value === "number") return String(value)
  if (isListenAddress(value)) return `${Option.getOrElse(value.host, () => "")}:${value.port}`
  if (isEndpoint(value)) return formatEndpoint(value)
  throw new Error(`scripts/docs/flags.ts does not know how to write ${JSON.stringify(value)}`)
}

const { unsure, ...device } = simulatorFlags
const common = Object.values(commonFlags)
const appliance = Object.values(applianceFlags)
const controller = [...appliance, ...Object.values(attachmentFlags), ...Object.values(orphanFlags)]
const node = Object.values(nodeFlags)

/** Every subcommand that has flags of its own. Fails when one shows a flag that it is not known to be made of. */
export const subcommands = Effect.gen(function*() {
  const made = [
    ["controller", yield* helpOf(controllerCommand), [...common, ...controller, Flag.optional(nodeId)]],
    ["node", yield* helpOf(nodeCommand), [...common, ...node, kubeconfig]],
    ["all", yield* helpOf(allCommand), [...common, ...controller, ...node]],
    ["orphans list", yield* helpOf(listCommand), [...appliance, kubeconfig, ...Object.values(listFlags)]],
    ["orphans remove", yield* helpOf(removeCommand), [...appliance, kubeconfig, ...Object.values(removeFlags)]],
    ["simulator", yield* helpOf(simulatorCommand), [...Object.values(device), ...Object.values(unsure)]]
  ] as const
  return yield* Effect.forEach(made, ([name, help, parts]) => subcommand(name, help, parts))
})

const subcommand = Effect.fnUntraced(
  function*(name: string, help: HelpDoc.HelpDoc, parts: ReadonlyArray<Flag.Flag<unknown>>) {
    const known = new Map((yield* Effect.forEach(parts, inspect)).map((facts) => [facts.name, facts]))
    const flags = yield* Effect.forEach(help.flags, (flag) => {
      const facts = known.get(flag.name)
      return facts === undefined
        ? Effect.die(`${name} --${flag.name}: scripts/docs/flags.ts does not know where it comes from`)
        : Effect.succeed(facts)
    })
    const globalFlags = (help.globalFlags ?? []).map((flag) => factsOf(flag, { fallback: "", variable: undefined }))
    return { name, flags, globalFlags } satisfies SubcommandFacts
  }
)
