import { Context, Effect, Layer } from "effect"
import { Device } from "./device/Device.ts"
import { Power } from "./device/Power.ts"
import { Volatile } from "./device/Volatile.ts"
import { Faults } from "./faults/Faults.ts"
import { Interpreter } from "./language/Interpreter.ts"
import type { Session } from "./language/Session.ts"
import { type Caller, type MenuSpec, policies, type Policy } from "./menu/Menu.ts"
import { btrfsMenus } from "./menus/Btrfs.ts"
import { diskMenu } from "./menus/Disk.ts"
import { fileMenu } from "./menus/File.ts"
import { scriptMenus } from "./menus/Script.ts"
import { systemMenus } from "./menus/System.ts"
import { userMenus } from "./menus/User.ts"
import { makeScripts } from "./Scripts.ts"

/** What a command line runs with. */
export interface ConsoleCall {
  readonly line: string
  /** What the lines before it left: current menu, item numbers. */
  readonly session: Session
  readonly caller: Caller
  readonly terminalWidth: number
  /** Takes the output as it comes, with CRLF line ends. */
  readonly emit: (text: string) => Effect.Effect<void>
  /** Takes the error that the line ends with; without it the error is output. */
  readonly report?: (message: string) => Effect.Effect<void>
}

/** The device's command line, for SSH and for the console alike. Errors are text, as on the device. */
export class Console extends Context.Service<Console, {
  run(call: ConsoleCall): Effect.Effect<void>
  /** Words that the text before the cursor may go on with. */
  complete(session: Session, text: string): ReadonlyArray<string>
  /** What the user's group may do; a user that is gone may do nothing. */
  policiesOf(user: string): Effect.Effect<ReadonlySet<Policy>>
}>()("rds-csi/simulator/Console") {
  static readonly layer = Layer.effect(
    Console,
    Effect.gen(function*() {
      const device = yield* Device
      const memory = yield* Volatile
      const power = yield* Power
      const faults = yield* Faults

      const run = Effect.fnUntraced(function*({ line, ...call }: ConsoleCall): Effect.fn.Return<void> {
        const globals = yield* memory.globals
        yield* Interpreter.run(line, { ...call, menus, globals })
      })

      const menus: ReadonlyArray<MenuSpec> = [
        diskMenu(device),
        ...btrfsMenus(device),
        fileMenu(device),
        ...systemMenus(device, memory, power),
        ...scriptMenus(device, memory, makeScripts({ device, memory, power, faults, run })),
        ...userMenus(device, memory)
      ]
      return Console.of({
        run,
        complete: (session, text) => Interpreter.complete(text, menus, session),
        policiesOf: (user) =>
          Effect.map(device.state, ({ users }) => {
            const granted = users.find(({ name }) => name === user)?.policies ?? []
            return new Set(policies.filter((policy) => granted.includes(policy)))
          })
      })
    })
  )
}
