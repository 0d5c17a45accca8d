import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Ref } from "effect"
import { CommandFailed } from "../../../src/linux/HostCommand.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { overdue, type Reaction } from "../../support/linux/ScriptedCommands.ts"
import { until } from "../../support/Until.ts"
import { GiB, namespace, nqnOf, type React, targetOf, verbs, withFabric, workingNvme } from "./FabricKit.ts"

const nqn = nqnOf("a")
const target = targetOf("a")
const controller = { name: "nvme3", nqn }
/** How a controller shows while its first connection is being set up. */
const settingUp = { name: "nvme3", nqn: "(efault)", state: "connecting" }

describe.concurrent("a first connect", () => {
  it.live("names everything: address, port, NQN, host NQN, host id, tuning", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
        assert.deepStrictEqual(yield* runs, [{
          program: "nvme",
          args: [
            "connect",
            "--transport=tcp",
            "--traddr=10.42.68.1",
            "--trsvcid=4420",
            `--nqn=${nqn}`,
            `--hostnqn=${target.hostNqn}`,
            `--hostid=${target.hostId}`,
            "--ctrl-loss-tmo=-1",
            "--reconnect-delay=5"
          ]
        }])
        const device = Option.getOrThrow(yield* fabric.device(nqn))
        assert.strictEqual(device.sizeBytes, GiB)
        assert.isTrue(device.path.startsWith(`${tree.devRoot}/nvme`))
      })))

  it.live("0 leaves the kernel's defaults, other values are passed on", () =>
    withFabric({}, ({ fabric, runs }) =>
      Effect.gen(function*() {
        yield* fabric.connect(targetOf("a", { tuning: { ctrlLossTmo: 0, reconnectDelay: 1, keepAliveTmo: 0 } }))
        yield* fabric.connect(targetOf("b", { tuning: { ctrlLossTmo: 60, reconnectDelay: 2, keepAliveTmo: 7 } }))
        assert.deepStrictEqual((yield* runs).map(({ args }) => args.slice(7)), [
          ["--reconnect-delay=1"],
          ["--ctrl-loss-tmo=60", "--reconnect-delay=2", "--keep-alive-tmo=7"]
        ])
      })))

  for (const text of ["nqn.2014-08.org.example:root", `${Nqn.prefix}pvc-not-a-uuid`]) {
    it.live(`never connects or repairs ${text}, which no volume id gives`, () =>
      withFabric({}, ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          const foreign = Option.getOrThrow(Nqn.parse(text))
          const refused = Effect.flip(fabric.connect({ ...target, nqn: foreign }))
          assert.strictEqual((yield* refused)._tag, "SubsystemNotOurs")
          yield* tree.add({ name: "nvme0", nqn: foreign, state: "dead" })
          assert.strictEqual((yield* refused)._tag, "SubsystemNotOurs")
          assert.deepStrictEqual(yield* runs, [])
        })))
  }
})

describe.concurrent("a connection that is there", () => {
  for (const state of ["live", "connecting", "resetting", "new"]) {
    it.live(`${state}: is adopted, whatever its host NQN`, () =>
      withFabric({}, ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          yield* tree.add({ ...controller, state, hostNqn: "nqn.2014-08.org.nvmexpress:uuid:another" })
          yield* tree.addNamespace(controller, namespace)
          assert.deepStrictEqual(yield* fabric.connect(target), { adopted: true })
          assert.deepStrictEqual(yield* runs, [])
        })))
  }

  it.live("at the same IPv6 address in another spelling is adopted", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add({ ...controller, address: "traddr=fd00::1,trsvcid=4420" })
        yield* tree.addNamespace(controller, namespace)
        assert.deepStrictEqual(yield* fabric.connect(targetOf("a", { address: "fd00:0::1" })), { adopted: true })
      })))

  for (const address of ["traddr=10.42.68.2,trsvcid=4420", "traddr=10.42.68.1,trsvcid=4421"]) {
    it.live(`at ${address} is refused and left alone`, () =>
      withFabric({}, ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          yield* tree.add({ ...controller, address })
          yield* tree.addNamespace(controller, namespace)
          const error = yield* Effect.flip(fabric.connect(target))
          assert.strictEqual(error._tag, "ConnectedElsewhere")
          assert.include(error.message, "nvme3 to")
          assert.deepStrictEqual(yield* runs, [])
        })))
  }
})

describe.concurrent("half-dead subsystems", () => {
  for (const state of ["dead", "deleting", "deleting (no IO)"]) {
    it.live(`${state}: removed and connected afresh`, () =>
      withFabric({}, ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          yield* tree.add({ ...controller, state })
          yield* tree.addNamespace(controller, namespace)
          assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
          assert.deepStrictEqual(verbs(yield* runs), ["nvme disconnect", "nvme connect"])
          assert.deepStrictEqual((yield* fabric.controllers(nqn)).map(({ state }) => state), ["live"])
        })))
  }

  it.live("live without any block device for a while: removed and connected afresh", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
        assert.deepStrictEqual(verbs(yield* runs), ["nvme disconnect", "nvme connect"])
        assert.isTrue(Option.isSome(yield* fabric.device(nqn)))
      })))

  it.live("one whose device is still on its way is adopted", () =>
    Effect.gen(function*() {
      const looks = yield* Ref.make(0)
      yield* withFabric({
        limits: { deviceGrace: "10 seconds" },
        files: (real) => ({
          readDirectory: (path) => Effect.andThen(Ref.update(looks, (n) => n + 1), real.readDirectory(path))
        })
      }, ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          const connecting = yield* Effect.forkChild(fabric.connect(target))
          yield* until(Effect.map(Ref.get(looks), (n) => n > 4))
          yield* tree.addNamespace(controller, namespace)
          assert.deepStrictEqual(yield* Fiber.join(connecting), { adopted: true })
          assert.deepStrictEqual(yield* runs, [])
        }))
    }))

  it.live("no device while a controller is reconnecting, or a path without its head, is not broken", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.add({ name: "nvme4", nqn, state: "connecting" })
        yield* tree.add({ name: "nvme5", nqn: nqnOf("b") })
        yield* tree.addPath("nvme5", 15, namespace)
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: true })
        assert.deepStrictEqual(yield* fabric.connect(targetOf("b")), { adopted: true })
        assert.deepStrictEqual(yield* runs, [])
      })))

  it.live("trap: a clean-up must not disconnect the node's own root: a broken subsystem with a loose name is left", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        const loose = Nqn.ofVolume(Option.getOrThrow(VolumeId.parse("worker-1-root")))
        yield* tree.add({ name: "nvme0", nqn: loose, state: "dead" })
        const error = yield* Effect.flip(fabric.connect({ ...target, nqn: loose }))
        assert.strictEqual(error._tag, "SubsystemNotOurs")
        assert.include(error.message, `nvme disconnect -n ${loose}`)
        assert.deepStrictEqual(yield* runs, [])
      })))

  it.live("one that cannot be removed fails, and nothing is connected beside it", () =>
    withFabric({ react: () => ({}) }, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        yield* tree.add({ ...controller, state: "dead" })
        const error = yield* Effect.flip(fabric.connect(target))
        assert.strictEqual(error._tag, "DisconnectFailed")
        assert.deepStrictEqual(verbs(yield* runs), ["nvme disconnect"])
      })))
})

/** nvme-cli that connects, and then ends like this. */
const connectsAndEnds = (reaction: Reaction): React => (_, tree) =>
  Effect.as(Effect.orDie(tree.add(controller)), reaction)

describe.concurrent("what nvme-cli answers", () => {
  for (
    const stderr of [
      "already connected",
      "already connnected",
      "Failed to write to /dev/nvme-fabrics: Operation already in progress\n" +
      "could not add new controller: already connected"
    ]
  ) {
    it.live(`${JSON.stringify(stderr)}: adopted if the kernel shows it`, () =>
      withFabric({ react: connectsAndEnds({ code: 1, stderr }) }, ({ fabric }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* fabric.connect(target), { adopted: true })
        })))

    it.live(`${JSON.stringify(stderr)}: a failure if it does not`, () =>
      withFabric({ react: () => ({ code: 1, stderr }) }, ({ fabric }) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(fabric.connect(target)))._tag, "ConnectFailed")
        })))
  }

  it.live("a refusal fails with its words on one line, and with what to look at", () =>
    withFabric({
      react: () => ({
        code: 1,
        stderr: "Failed to write to /dev/nvme-fabrics: Connection refused\ncould not add\tit\n"
      })
    }, ({ fabric }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fabric.connect(target))
        assert.strictEqual(error._tag, "ConnectFailed")
        assert.strictEqual(
          error.message,
          `connecting to subsystem ${nqn} at 10.42.68.1 port 4420 failed: nvme ended with code 1: Failed to write to ` +
            "/dev/nvme-fabrics: Connection refused could not add it; the node's kernel log may say more"
        )
      })))

  it.live("a failure after the kernel connected counts as connected", () =>
    withFabric(
      { react: connectsAndEnds({ code: 1, stderr: "failed to parse ctrl info" }) },
      ({ fabric }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
        })
    ))

  it.live("connected by somebody else to another address meanwhile: refused", () =>
    withFabric({
      react: (_, tree) =>
        Effect.as(
          Effect.orDie(tree.add({ ...controller, address: "traddr=10.9.9.9,trsvcid=4420", state: "connecting" })),
          { code: 1 }
        )
    }, ({ fabric }) =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(fabric.connect(target)))._tag, "ConnectedElsewhere")
      })))

  it.live("a program that is not installed fails the connect", () =>
    withFabric({ react: () => undefined }, ({ fabric }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fabric.connect(target))
        assert.strictEqual(error._tag, "ConnectFailed")
        assert.include(error.message, "ENOENT")
      })))
})

describe.concurrent("a connect whose outcome is unknown", () => {
  it.live("timed out, and connected: a success", () =>
    withFabric({ react: connectsAndEnds(overdue("nvme")) }, ({ fabric }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
      })))

  it.live("timed out, and nothing there: a failure", () =>
    withFabric({ react: () => overdue("nvme") }, ({ fabric }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fabric.connect(target))
        assert.strictEqual(error._tag, "ConnectFailed")
        assert.include(error.message, "did not end")
      })))

  it.live("a connection on its way in the kernel is not \"not connected\": disconnect fails until it is settled", () =>
    withFabric({
      react: ({ args }, tree) =>
        args[0] === "connect" ? Effect.as(Effect.orDie(tree.add(settingUp)), overdue("nvme")) : {}
    }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* fabric.controllers(nqn), [])
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: false })
        assert.deepStrictEqual((yield* fabric.controllers(nqn)).map(({ state }) => state), ["connecting"])
        assert.deepStrictEqual(yield* fabric.controllers(nqnOf("b")), [])
        assert.strictEqual((yield* Effect.flip(fabric.disconnect(nqn)))._tag, "DisconnectFailed")
        yield* tree.removeController(settingUp.name)
        yield* fabric.disconnect(nqn)
        yield* tree.add(settingUp)
        assert.deepStrictEqual(yield* fabric.controllers(nqn), [], "a later one is somebody else's")
      })))

  it.live("trap: a cancelled RPC is no disconnect: the next call finds what it left", () =>
    withFabric({
      react: (run, tree) =>
        run.args[0] === "connect"
          ? Effect.andThen(Effect.orDie(tree.add(settingUp)), Effect.never)
          : workingNvme(run, tree)
    }, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        const connecting = yield* Effect.forkChild(fabric.connect(target))
        yield* until(Effect.map(tree.names, (names) => names.length === 1))
        yield* Fiber.interrupt(connecting)
        assert.deepStrictEqual(verbs(yield* runs), ["nvme connect"])
        assert.deepStrictEqual((yield* fabric.controllers(nqn)).map(({ name }) => name), ["nvme3"])
        yield* tree.set("nvme3", { subsysnqn: nqn, state: "live" })
        yield* tree.addNamespace(controller, namespace)
        assert.deepStrictEqual(yield* fabric.connect(target), { adopted: true })
      })))
})

describe.concurrent("disconnect", () => {
  it.live("trap: clean-up without an NQN filter: exactly the one NQN, and the node's root over NVMe/TCP stays", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        yield* tree.add({ name: "nvme0", nqn: "nqn.2000-02.com.mikrotik:worker-1-root" })
        yield* tree.add({ name: "nvme1", nqn: `${nqn}1` })
        yield* fabric.disconnect(nqn)
        assert.deepStrictEqual((yield* runs).map(({ args }) => args), [["disconnect", `--nqn=${nqn}`]])
        assert.deepStrictEqual((yield* tree.names).toSorted(), ["nvme0", "nvme1"])
        assert.deepStrictEqual(yield* fabric.controllers(nqn), [])
      })))

  it.live("of a foreign NQN is refused, and nothing is run", () =>
    withFabric({}, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        const root = Option.getOrThrow(Nqn.parse("nqn.2014-08.org.example:root"))
        yield* tree.add({ name: "nvme0", nqn: root })
        assert.strictEqual((yield* Effect.flip(fabric.disconnect(root)))._tag, "SubsystemNotOurs")
        assert.deepStrictEqual(yield* runs, [])
      })))

  it.live("of what is not connected is a success, and nothing is run", () =>
    withFabric({}, ({ fabric, runs }) =>
      Effect.gen(function*() {
        yield* fabric.disconnect(nqn)
        assert.deepStrictEqual(yield* runs, [])
      })))

  it.live("trap: detach answered OK although the node was still connected: exit code 0 proves nothing", () =>
    withFabric(
      { react: () => ({ stdout: `NQN:${nqn} disconnected 1 controller(s)` }) },
      ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add({ ...controller, state: "deleting" })
          const error = yield* Effect.flip(fabric.disconnect(nqn))
          assert.strictEqual(error._tag, "DisconnectFailed")
          assert.include(error.message, "nvme3 to 10.42.68.1 port 4420, deleting")
          assert.include(error.message, "disconnected 1 controller(s)")
        })
    ))

  for (
    const [what, failure] of [
      ["that hangs", overdue("nvme")],
      [
        "that is killed",
        new CommandFailed({ program: "nvme", message: "nvme was killed by SIGKILL", timedOut: false })
      ],
      ["that fails", { code: 1, stderr: "Failed to disconnect" }]
    ] as const
  ) {
    it.live(`a program ${what}: the kernel's state decides`, () =>
      withFabric({
        react: (run, tree) => Effect.as(workingNvme(run, tree), failure)
      }, ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          yield* fabric.disconnect(nqn)
          assert.deepStrictEqual(yield* fabric.controllers(nqn), [])
        })))
  }

  it.live("waits until the kernel has let go", () =>
    withFabric(
      { react: () => ({}), limits: { disconnectLimit: "10 seconds" } },
      ({ fabric, runs, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          const disconnecting = yield* Effect.forkChild(fabric.disconnect(nqn))
          yield* until(Effect.map(runs, (all) => all.length === 1))
          yield* tree.removeController("nvme3")
          yield* Fiber.join(disconnecting)
        })
    ))
})
