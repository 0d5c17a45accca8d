import { Effect } from "effect"
import type { Device } from "../device/Device.ts"
import { failure } from "../device/Files.ts"
import type { DeviceState, Script } from "../device/Model.ts"
import type { Job, Runs, Volatile } from "../device/Volatile.ts"
import { bool, id, list, nothing, num, str } from "../language/Value.ts"
import { type Arguments, type Caller, type CommandSpec, type MenuSpec, notPermitted, type Row } from "../menu/Menu.ts"
import type { Scripts } from "../Scripts.ts"
import { boolOf, dateText, idNumber, present, row, several, textOf } from "./Values.ts"

/** What a script may do when it is not said: everything (as exports of devices show), which not every user may run. */
const defaultPolicies = ["ftp", "reboot", "read", "write", "policy", "test", "password", "sniff", "sensitive", "romon"]

/** `/system/script` (RouterOS manual, Scripting; CLI reference of /system/script). */
const repository = (device: Device["Service"], memory: Volatile["Service"], scripts: Scripts): MenuSpec => ({
  path: "/system/script",
  properties: [
    { name: "invalid", type: "bool", flag: "I" },
    { name: "comment", type: "string", settable: "both" },
    { name: "name", type: "string", settable: "both" },
    { name: "owner", type: "string", settable: "both" },
    { ...several("policy"), settable: "both" },
    { name: "dont-require-permissions", type: "bool", settable: "both" },
    { name: "last-started", type: "file" },
    { name: "run-count", type: "num" },
    { name: "source", type: "string", settable: "both" }
  ],
  columns: ["name", "owner", "last-started", "run-count"],
  nameProperty: "name",
  policy: { read: "read", write: device.config.unsure.scriptWrite },
  rows: Effect.gen(function*() {
    const { scripts: all } = yield* device.state
    const runs = yield* memory.runs
    return all.map((script) => scriptRow(script, runs.get(script.id)))
  }),
  add: Effect.fnUntraced(function*(given, caller) {
    const change = yield* changeOf(given, caller)
    const number = yield* device.change(Effect.fnUntraced(function*(state) {
      const script: Script = {
        id: state.nextIds.script,
        name: `script${state.nextIds.script}`,
        source: "",
        owner: caller.user,
        comment: "",
        policies: defaultPolicies,
        dontRequirePermissions: false,
        ...change
      }
      yield* checkName(state, script)
      const nextIds = { ...state.nextIds, script: script.id + 1 }
      return [script.id, { ...state, nextIds, scripts: [...state.scripts, script] }] as const
    }))
    return id(BigInt(number))
  }),
  set: Effect.fnUntraced(function*(item, given, caller) {
    const change = yield* changeOf(given, caller)
    yield* device.change(Effect.fnUntraced(function*(state) {
      const script = state.scripts.find((candidate) => candidate.id === idNumber(item))
      if (script === undefined) return [undefined, state] as const
      const changed = { ...script, ...change }
      yield* checkName(state, changed)
      return [undefined, {
        ...state,
        scripts: state.scripts.map((other) => other === script ? changed : other)
      }] as const
    }))
  }),
  remove: (item) =>
    device.change((state) =>
      Effect.succeed([undefined, { ...state, scripts: state.scripts.filter((other) => other.id !== idNumber(item)) }])
    ),
  commands: {
    run: {
      policy: "read",
      parameters: [],
      flags: ["use-script-permissions"],
      positional: ["numbers"],
      items: true,
      run: Effect.fnUntraced(function*(call) {
        const state = yield* device.state
        const chosen = call.items.map((item) => idNumber(item.get(".id")))
        const ownPolicies = call.flags.has("use-script-permissions")
        for (const script of state.scripts.filter((candidate) => chosen.includes(candidate.id))) {
          yield* scripts.run(script, call, ownPolicies)
        }
        return nothing
      })
    }
  }
})

/** Nobody gives a script what they lack themselves. */
const changeOf = Effect.fnUntraced(function*(given: Arguments, caller: Caller) {
  const policies = textOf(given, "policy")?.split(/[,;]/).filter((name) => name !== "")
  const unknown = policies?.find((name) => !defaultPolicies.includes(name))
  if (unknown !== undefined) return yield* failure(`input does not match any value of policy`)
  const granted: ReadonlySet<string> = caller.policies
  if (policies?.some((name) => !granted.has(name)) === true) return yield* notPermitted
  return present<Omit<Script, "id">>({
    name: textOf(given, "name"),
    source: textOf(given, "source"),
    owner: textOf(given, "owner"),
    comment: textOf(given, "comment"),
    policies,
    dontRequirePermissions: boolOf(given, "dont-require-permissions")
  })
})

const checkName = ({ scripts }: DeviceState, { id: own, name }: Script) => {
  if (name === "") return failure("name must be given")
  return scripts.some((other) => other.name === name && other.id !== own)
    ? failure("already have script with such name")
    : Effect.void
}

const scriptRow = (script: Script, runs: Runs | undefined): Row =>
  row(script.id, {
    invalid: bool(false),
    comment: script.comment === "" ? undefined : str(script.comment),
    name: str(script.name),
    owner: str(script.owner),
    policy: list(script.policies.map(str)),
    "dont-require-permissions": bool(script.dontRequirePermissions),
    "last-started": runs === undefined ? undefined : str(dateText(runs.last)),
    "run-count": num(runs?.count ?? 0),
    source: str(script.source)
  })

/** `/system/script/job`: scripts that run and logins, which are jobs as well. A removed job is stopped. */
const jobs = (memory: Volatile["Service"]): MenuSpec => ({
  path: "/system/script/job",
  properties: [
    { name: "script", type: "file" },
    { name: "owner", type: "string" },
    several("policy"),
    { name: "started", type: "file" },
    { name: "type", type: "enum" },
    { name: "parent", type: "file" }
  ],
  columns: ["script", "owner", "started", "type"],
  policy: { read: "read", write: "write" },
  rows: Effect.map(memory.jobs, (all) => all.map(jobRow)),
  remove: Effect.fnUntraced(function*(item) {
    const all = yield* memory.jobs
    yield* all.find(({ number }) => number === idNumber(item))?.stop ?? Effect.void
  })
})

const jobRow = ({ number, owner, parent, policies, script, since, type }: Job): Row =>
  row(number, {
    script: script === undefined ? undefined : str(script),
    owner: str(owner),
    policy: list(policies.map(str)),
    started: str(dateText(since)),
    type: str(type),
    parent: parent === undefined ? undefined : id(BigInt(parent))
  })

/** `:execute` and `:jobname`. */
const globalCommands = (scripts: Scripts): MenuSpec => ({
  path: "/",
  properties: [],
  columns: [],
  policy: { read: "read", write: "write" },
  rows: Effect.succeed([]),
  commands: {
    execute: {
      policy: "read",
      parameters: [{ name: "script", type: "string", required: true }],
      positional: ["script"],
      run: ({ arguments: given, caller }) =>
        Effect.map(scripts.execute(textOf(given, "script") ?? "", caller), (job) => id(BigInt(job)))
    },
    jobname: {
      policy: "read",
      parameters: [],
      run: ({ caller }) => Effect.succeed(caller.script === undefined ? nothing : str(caller.script))
    }
  } satisfies Readonly<Record<string, CommandSpec>>
})

/** Scripts, their jobs, and the commands of the language that start them. */
export const scriptMenus = (
  device: Device["Service"],
  memory: Volatile["Service"],
  scripts: Scripts
): ReadonlyArray<MenuSpec> => [repository(device, memory, scripts), jobs(memory), globalCommands(scripts)]
