import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"
import { control } from "../../src/simulator/ControlClient.ts"
import { defaultPool } from "../../src/simulator/SimulatorConfig.ts"
import { startDevice } from "../simulator/support/Device.ts"
import { connect, exec } from "../simulator/support/SshClient.ts"

/** A command of the page, and what it is shown to print. */
interface Step {
  readonly command: string
  readonly shown: string
}

/** The steps of the page's `console` blocks, in order. */
const stepsOf = (page: string): ReadonlyArray<Step> =>
  [...page.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
    block.split(/^\$ /m).slice(1).map((text) => {
      const [command = "", ...shown] = text.split("\n")
      return { command, shown: shown.join("\n") }
    })
  )

const Request = Schema.fromJsonString(
  Schema.StructWithRest(Schema.Struct({ op: Schema.String }), [Schema.Record(Schema.String, Schema.Unknown)])
)

const withoutTimes = (text: string) => text.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "(time)")

it.live("docs/simulator.md shows what the simulator answers", () =>
  Effect.gen(function*() {
    const page = yield* Effect.promise(() => readFile(join(root, "docs", "simulator.md"), "utf8"))
    const files = yield* FileSystem.FileSystem
    const controlSocket = `${yield* files.makeTempDirectoryScoped()}/sim.sock`
    const pools = [{ ...defaultPool, slot: "fast", mountPoint: "fast", sizeBytes: 1n << 40n, fs: "btrfs" as const }]
    const devices = {
      rds: yield* startDevice({ controlSocket }),
      fast: yield* startDevice({ pools, directories: ["fast/metal-csi"] })
    }

    // As the shell functions of the page, a connection for each command.
    const overSsh = Effect.fnUntraced(function*(name: "rds" | "fast", line: string, then: string | undefined) {
      const { privateKey, simulator } = devices[name]
      const answer = yield* Effect.scoped(
        Effect.flatMap(connect(simulator, { privateKey }), (client) => exec(client, line))
      ).pipe(Effect.catchTag("SshEnded", () => Effect.succeed({ output: "", code: 255 })))
      const wanted = then === "||" ? answer.code !== 0 : then === "&&" && answer.code === 0
      return answer.output.replaceAll("\r", "") + (wanted ? `exit status ${answer.code}\n` : "")
    })

    const overSocket = Effect.fnUntraced(function*(json: string) {
      const request = yield* Schema.decodeEffect(Request)(json)
      const reply = yield* control(controlSocket, request).pipe(
        Effect.catch(({ message }) => Effect.succeed({ ok: false, error: message }))
      )
      return `${JSON.stringify(reply)}\n`
    })

    const answerTo = (command: string) => {
      const [, name, line, then] = /^(rds|fast) '(.*)'(?: (&&|\|\|) echo "exit status \$\?")?$/.exec(command) ?? []
      if (line !== undefined) return overSsh(name === "fast" ? name : "rds", line, then)
      const [, json] = /^echo '(.*)' \| nc -N -U sim\.sock$/.exec(command) ?? []
      return json === undefined ? undefined : overSocket(json)
    }

    let checked = 0
    for (const { command, shown } of stepsOf(page)) {
      const answer = answerTo(command)
      if (answer === undefined) continue
      assert.strictEqual(withoutTimes(yield* answer), withoutTimes(shown), command)
      checked += 1
    }
    assert.isAbove(checked, 20)
  }).pipe(Effect.provide(NodeServices.layer)))
