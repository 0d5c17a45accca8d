import { Effect, Result } from "effect"
import type { Device } from "../device/Device.ts"
import { failure } from "../device/Files.ts"
import { removeFile } from "../device/Files.ts"
import { filePath } from "../device/Paths.ts"
import type { Volatile } from "../device/Volatile.ts"
import { bool, id, nothing, num, str } from "../language/Value.ts"
import { type MenuSpec, RosError } from "../menu/Menu.ts"
import { parseUserKey } from "../ssh/PublicKey.ts"
import { dateText, idNumber, row, textOf } from "./Values.ts"

const policy = { read: "read", write: "policy" } as const

/** `/user`: every user is the only one of a group of its own name. */
const users = (device: Device["Service"]): MenuSpec => ({
  path: "/user",
  properties: [{ name: "disabled", type: "bool", flag: "X" }, { name: "name", type: "string" }, {
    name: "group",
    type: "enum"
  }],
  columns: ["name", "group"],
  nameProperty: "name",
  policy,
  rows: Effect.map(
    device.state,
    (state) =>
      state.users.map((user) => row(user.id, { disabled: bool(false), name: str(user.name), group: str(user.name) }))
  )
})

const groups = (device: Device["Service"]): MenuSpec => ({
  path: "/user/group",
  properties: [{ name: "name", type: "string" }, { name: "policy", type: "file" }],
  columns: ["name", "policy"],
  nameProperty: "name",
  policy,
  rows: Effect.map(
    device.state,
    (state) => state.users.map((user) => row(user.id, { name: str(user.name), policy: str(user.policies.join(",")) }))
  )
})

/** `/user/ssh-keys`: `add user= key=` and `import public-key-file= user=` (RouterOS manual, User: SSH keys). */
const sshKeys = (device: Device["Service"]): MenuSpec => ({
  path: "/user/ssh-keys",
  properties: [
    { name: "user", type: "string", settable: "add", required: true },
    { name: "key", type: "string", settable: "add", required: true, hidden: true },
    { name: "key-type", type: "enum" },
    { name: "key-owner", type: "string" }
  ],
  columns: ["user", "key-type", "key-owner"],
  policy,
  rows: Effect.map(device.state, (state) =>
    state.users.flatMap((user) =>
      user.keys.map((key) => {
        const parsed = Result.getOrUndefined(parseUserKey(key.line))
        return row(key.id, {
          user: str(user.name),
          "key-type": str(parsed?.type.replace("ssh-", "") ?? ""),
          "key-owner": str(parsed?.comment ?? "")
        })
      })
    )),
  add: (given) =>
    Effect.map(addKey(device, textOf(given, "user") ?? "", textOf(given, "key") ?? ""), (key) => id(BigInt(key))),
  remove: (item) =>
    device.change((state) =>
      Effect.succeed([undefined, {
        ...state,
        users: state.users.map((user) => ({ ...user, keys: user.keys.filter((key) => key.id !== idNumber(item)) }))
      }])
    ),
  commands: {
    import: {
      policy: "policy",
      parameters: [{ name: "public-key-file", type: "file", required: true }, {
        name: "user",
        type: "string",
        required: true
      }],
      run: Effect.fnUntraced(function*(call) {
        const path = filePath(textOf(call.arguments, "public-key-file") ?? "")
        const { files } = yield* device.state
        const file = files.find((candidate) => candidate.path === path)
        if (file === undefined) return yield* failure("no such file")
        yield* addKey(device, textOf(call.arguments, "user") ?? "", file.contents)
        yield* removeFile(device, file.id)
        return nothing
      })
    }
  }
})

const addKey = (device: Device["Service"], name: string, line: string): Effect.Effect<number, RosError> =>
  device.change(Effect.fnUntraced(function*(state) {
    yield* Effect.fromResult(parseUserKey(line)).pipe(Effect.mapError((message) => new RosError({ message })))
    if (!state.users.some((user) => user.name === name)) return yield* failure("no such user")
    const key = { id: state.nextIds.user, line: line.trim() }
    const nextIds = { ...state.nextIds, user: key.id + 1 }
    const users = state.users.map((user) => user.name === name ? { ...user, keys: [...user.keys, key] } : user)
    return [key.id, { ...state, nextIds, users }] as const
  }))

const active = (memory: Volatile["Service"]): MenuSpec => ({
  path: "/user/active",
  properties: [
    { name: "when", type: "file" },
    { name: "name", type: "string" },
    { name: "address", type: "file" },
    { name: "via", type: "enum" }
  ],
  columns: ["when", "name", "address", "via"],
  policy,
  rows: Effect.map(
    memory.logins,
    (logins) =>
      logins.map((login) =>
        row(login.number, {
          when: str(dateText(login.since)),
          name: str(login.user),
          address: str(login.address),
          via: str("ssh")
        })
      )
  )
})

/** `/ip/service`: the one service that listens (RouterOS manual, Services). */
const services = (device: Device["Service"]): MenuSpec => ({
  path: "/ip/service",
  properties: [
    { name: "disabled", type: "bool", flag: "X" },
    { name: "name", type: "string" },
    { name: "port", type: "num" },
    { name: "max-sessions", type: "num", settable: "set" }
  ],
  columns: ["name", "port", "max-sessions"],
  nameProperty: "name",
  policy: { read: "read", write: "write" },
  rows: Effect.map(device.state, ({ maxSessions }) => [
    row(0, { disabled: bool(false), name: str("ssh"), port: num(22), "max-sessions": num(maxSessions) })
  ]),
  set: Effect.fnUntraced(function*(_item, given) {
    const value = given.get("max-sessions")
    if (value?._tag !== "Num") return
    if (value.value < 1n || value.value > 1000n) return yield* failure("max-sessions must be 1..1000")
    yield* device.change((state) => Effect.succeed([undefined, { ...state, maxSessions: Number(value.value) }]))
  })
})

/** Users, their keys and logins, and the service they log in by. */
export const userMenus = (device: Device["Service"], memory: Volatile["Service"]): ReadonlyArray<MenuSpec> => [
  users(device),
  groups(device),
  sshKeys(device),
  active(memory),
  services(device)
]
