import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { subcommands } from "../../scripts/docs/flags.ts"
import { runProgram } from "../support/RunProgram.ts"
import { controller, driverOf, environmentOf, node } from "./Objects.ts"

const drivers = [["controller", driverOf(controller)], ["node", driverOf(node)]] as const

describe.each(drivers)("the command line of %s", (subcommand, container) => {
  it.effect("has flags and variables that the program knows", () =>
    Effect.gen(function*() {
      const facts = (yield* subcommands).find(({ name }) => name === subcommand)
      if (facts === undefined) return assert.fail(`there is no subcommand ${subcommand}`)
      const [first, ...args] = container.args
      assert.strictEqual(first, subcommand)
      const flags = [...facts.flags, ...facts.globalFlags].flatMap(({ aliases, name }) => [name, ...aliases])
      for (const arg of args) assert.include(flags, arg.replace(/^--/, "").replace(/=.*$/, ""), arg)
      const variables = facts.flags.map(({ variable }) => variable)
      for (const { name } of container.env ?? []) assert.include(variables, name)
    }).pipe(Effect.provide(NodeServices.layer)))

  /** Runs the program with a directory of its own in the place of what is the host's. */
  const run = (...more: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const args = container.args.map((arg) => arg.replace(/^--(state-dir|rds-key-file)=.*/, `--$1=${directory}/none`))
      return yield* runProgram(
        [...args, `--kubeconfig=${directory}/none`, ...more],
        environmentOf(container, { "spec.nodeName": "node-a" })
      )
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

  it.effect("is one that the program takes: it ends for want of a key, a kernel module or a cluster", () =>
    Effect.gen(function*() {
      const { code, errors } = yield* run()
      assert.oneOf(code, [69, 78], errors.join("\n"))
      assert.match(errors.join("\n"), /cannot be read|nvme/)
    }))

  it.effect("would be refused with a flag that does not exist", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* run("--no-such-flag")).code, 64)
    }))
})

it("running calls may end before kubelet kills the process", () => {
  for (const { template } of [controller, node]) {
    const drain = driverOf({ template, selector: { matchLabels: {} } }).args.flatMap((arg) =>
      /^--drain-timeout=(\d+)s$/.exec(arg)?.slice(1).map(Number) ?? []
    )
    assert.lengthOf(drain, 1)
    assert.isAbove(template.spec.terminationGracePeriodSeconds, (drain[0] ?? 0) + 4)
  }
})

it("sidecars wait longer than a command on the appliance may take", () => {
  const sidecars = controller.template.spec.containers.filter(({ name }) => name.startsWith("csi-"))
  assert.lengthOf(sidecars, 4)
  for (const { args, name } of sidecars) {
    const seconds = args.flatMap((arg) => /^--timeout=(\d+)s$/.exec(arg)?.slice(1).map(Number) ?? [])
    assert.isAbove(seconds[0] ?? 0, 60, name)
    assert.include(args, "--leader-election", name)
  }
})
