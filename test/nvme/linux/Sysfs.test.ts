import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, PlatformError, Ref } from "effect"
import { GiB, namespace, nqnOf, targetOf, withFabric } from "./FabricKit.ts"

const nqn = nqnOf("a")
const controller = { name: "nvme3", nqn }
const found = { major: 259, minor: 4, sizeBytes: GiB, identity: "3d3937bb-da6a-464d-9c80-01c2eb31a6c0" }
const foreign = "nqn.2014-08.org.example:diskless-root"

const failing = (path: string, code: string) =>
  Effect.fail(PlatformError.systemError({
    _tag: "Unknown",
    module: "FileSystem",
    method: "readFile",
    pathOrDescriptor: path,
    cause: Object.assign(new Error(code), { code })
  }))

describe.concurrent("device by NQN", () => {
  it.live("native multipath: the head below the subsystem, never a hidden path", () =>
    withFabric({ multipath: true }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        const device = yield* fabric.device(nqn)
        assert.deepStrictEqual(device, Option.some({ path: `${tree.devRoot}/nvme13n1`, ...found }))
      })))

  it.live("no multipath: the controller's own", () =>
    withFabric({ multipath: false }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        const device = yield* fabric.device(nqn)
        assert.deepStrictEqual(device, Option.some({ path: `${tree.devRoot}/nvme3n1`, ...found }))
      })))

  it.live("two paths to one namespace are one device", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.add({ name: "nvme4", nqn, address: "traddr=10.42.69.1,trsvcid=4420" })
        yield* tree.addPath("nvme4", 13, namespace)
        yield* tree.addNamespace(controller, namespace)
        assert.deepStrictEqual(Option.map(yield* fabric.device(nqn), ({ minor }) => minor), Option.some(4))
        assert.deepStrictEqual((yield* fabric.controllers(nqn)).map(({ address }) => address).toSorted(), [
          "10.42.68.1",
          "10.42.69.1"
        ])
      })))

  it.live("trap: a remembered name belongs to another volume after a reconnect", () =>
    withFabric({ multipath: false }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        yield* fabric.device(nqn)
        yield* tree.removeController("nvme3")
        const other = { name: "nvme3", nqn: nqnOf("b") }
        yield* tree.add(other)
        yield* tree.addNamespace(other, namespace)
        assert.isTrue(Option.isNone(yield* fabric.device(nqn)))
        const back = { name: "nvme5", nqn }
        yield* tree.add(back)
        yield* tree.addNamespace(back, { ...namespace, minor: 9 })
        assert.deepInclude(Option.getOrThrow(yield* fabric.device(nqn)), { path: `${tree.devRoot}/nvme5n1`, minor: 9 })
      })))

  it.live("none while the head has not appeared, and none for a head without a path", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addPath("nvme3", 13, namespace)
        assert.isTrue(Option.isNone(yield* fabric.device(nqn)))
        yield* tree.addHead(nqnOf("b"), 14, namespace)
        yield* tree.add({ name: "nvme4", nqn: nqnOf("b") })
        assert.isTrue(Option.isNone(yield* fabric.device(nqnOf("b"))))
      })))

  it.live("a head below another volume's subsystem is an error, never this volume's device", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addPath("nvme3", 13, namespace)
        yield* tree.addHead(nqnOf("b"), 13, namespace)
        const error = yield* Effect.flip(fabric.device(nqn))
        assert.include(error.message, nqnOf("b"))
      })))

  it.live("two devices under one NQN are an error that names both", () =>
    withFabric({ multipath: false }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        yield* tree.addNamespace(controller, { ...namespace, instance: 2 })
        const error = yield* Effect.flip(fabric.device(nqn))
        assert.include(error.message, "nvme3n1")
        assert.include(error.message, "nvme3n2")
      })))

  for (
    const [name, identity, expected] of [
      ["the UUID", { uuid: "u-1", nguid: "f-2", wwid: "eui.f" }, "u-1"],
      ["else the NGUID", { uuid: "00000000-0000-0000-0000-000000000000", nguid: "f-2" }, "f-2"],
      ["else the EUI-64", { wwid: "eui.0025385b71b0a5f1" }, "eui.0025385b71b0a5f1"],
      ["never what the target's serial number gives", { wwid: "nvme.0000-3132-4c696e7578-00000001" }, ""]
    ] as const
  ) {
    it.live(`identity: ${name}`, () =>
      withFabric({}, ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          yield* tree.addNamespace(controller, { ...namespace, identity })
          assert.strictEqual(Option.getOrThrow(yield* fabric.device(nqn)).identity, expected)
        })))
  }
})

describe.concurrent("controllers", () => {
  it.live("with state and address, in every state that the kernel has", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        for (
          const state of ["new", "live", "resetting", "connecting", "deleting", "deleting (no IO)", "dead"] as const
        ) {
          yield* tree.set("nvme3", { state })
          assert.deepStrictEqual(yield* fabric.controllers(nqn), [
            { name: "nvme3", state, address: "10.42.68.1", port: 4420 }
          ])
        }
      })))

  it.live("subsystems: all of this driver's prefix, and no other", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        yield* tree.add({ name: "nvme4", nqn: nqnOf("b"), state: "connecting" })
        yield* tree.add({ name: "nvme0", nqn: foreign })
        yield* tree.add({ name: "nvme1", nqn: "nqn.2014.08.org.nvmexpress:144d144dS4", transport: "pcie" })
        const subsystems = yield* fabric.subsystems
        assert.deepStrictEqual(
          new Map(subsystems.map((one) => [one.nqn, Option.isSome(one.device)])),
          new Map([[nqn, true], [nqnOf("b"), false]])
        )
      })))
})

describe.concurrent("a glance", () => {
  it.live("stays the same until a controller or a namespace comes, changes or goes", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        const glances = [yield* fabric.glance]
        const changes = [
          tree.add(controller),
          tree.addNamespace(controller, namespace),
          tree.set("nvme3", { state: "connecting" }),
          tree.set("nvme3", { state: "live" }),
          tree.addPath("nvme3", 13, { ...namespace, instance: 2 }),
          tree.replaceDirectory("nvme3/nvme13c3n2"),
          tree.replaceDirectory("nvme3"),
          tree.removeController("nvme3")
        ]
        for (const change of changes) {
          yield* change
          const now = yield* fabric.glance
          assert.notStrictEqual(now, glances.at(-1))
          assert.strictEqual(yield* fabric.glance, now)
          glances.push(now)
        }
        assert.strictEqual(glances.at(-1), glances[0])
        assert.strictEqual(glances[4], glances[2])
      })))
})

describe.concurrent("what cannot be read", () => {
  it.live("trap: \"list-subsys failed\" read as \"not connected\": an unreadable attribute is an error everywhere", () =>
    withFabric({
      files: (real) => ({
        readFileString: (path) => path.endsWith("nvme3/subsysnqn") ? failing(path, "EIO") : real.readFileString(path)
      })
    }, ({ fabric, runs, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        for (
          const look of [
            fabric.device(nqn),
            fabric.controllers(nqn),
            fabric.subsystems,
            fabric.rescan(nqn),
            fabric.disconnect(nqn),
            fabric.connect(targetOf("a"))
          ]
        ) {
          const error = yield* Effect.flip(look)
          assert.strictEqual(error._tag, "FabricUnreadable")
          assert.include(error.message, "EIO")
        }
        assert.deepStrictEqual(yield* runs, [])
      })))

  it.live("a sysfs without NVMe is an error, as it may not be the host's", () =>
    withFabric({
      files: (real) => ({ readDirectory: (path) => real.readDirectory(`${path}-missing`) })
    }, ({ fabric }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(fabric.disconnect(nqn))
        assert.strictEqual(error._tag, "FabricUnreadable")
      })))

  for (
    const [attribute, value] of [["state", "asleep"], ["address", "traddr=10.0.0.1"], ["address", "none"]] as const
  ) {
    it.live(`${attribute} ${JSON.stringify(value)} is an error`, () =>
      withFabric({}, ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add({ ...controller, [attribute]: value })
          const error = yield* Effect.flip(fabric.controllers(nqn))
          assert.include(error.message, attribute)
          assert.include(error.message, value)
        })))
  }

  it.live("a read that hangs ends at its limit", () =>
    withFabric({
      limits: { readLimit: "100 millis" },
      files: (real) => ({
        readFileString: (path) => path.endsWith("/state") ? Effect.never : real.readFileString(path)
      })
    }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        const error = yield* Effect.flip(fabric.controllers(nqn))
        assert.include(error.message, "no answer within 100ms")
      })))

  it.live("odd disks of the node itself are nobody's concern", () =>
    withFabric({
      files: (real) => ({
        readFileString: (path) => path.endsWith("nvme0/subsysnqn") ? failing(path, "EIO") : real.readFileString(path)
      })
    }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add({ name: "nvme0", nqn: "", transport: "pcie", address: "0000:01:00.0" })
        yield* tree.add({ name: "nvme1", nqn: "(efault)", transport: "pcie", address: "0000:02:00.0" })
        yield* tree.add(controller)
        assert.strictEqual((yield* fabric.controllers(nqn)).length, 1)
      })))
})

describe.concurrent("what changes while it is read", () => {
  for (const attribute of ["subsysnqn", "state", "address"]) {
    it.live(`a controller that goes between listing and ${attribute} is gone`, () =>
      Effect.gen(function*() {
        const remove = yield* Ref.make(Effect.void)
        yield* withFabric({
          files: (real) => ({
            readFileString: (path) =>
              path.endsWith(`nvme3/${attribute}`)
                ? Effect.andThen(Effect.flatten(Ref.get(remove)), real.readFileString(path))
                : real.readFileString(path)
          })
        }, ({ fabric, tree }) =>
          Effect.gen(function*() {
            yield* tree.add(controller)
            yield* Ref.set(remove, Effect.orDie(tree.removeController("nvme3")))
            assert.deepStrictEqual(yield* fabric.controllers(nqn), [])
          }))
      }))
  }

  it.live("an attribute that goes between open and read (ENODEV) is gone with its controller", () =>
    Effect.gen(function*() {
      const removed = yield* Ref.make(false)
      yield* withFabric({
        files: (real) => ({
          readFileString: (path) =>
            path.endsWith("nvme3/state")
              ? Effect.andThen(Ref.set(removed, true), failing(path, "ENODEV"))
              : real.readFileString(path),
          stat: (path) => Effect.flatMap(Ref.get(removed), (gone) => real.stat(gone ? `${path}-missing` : path))
        })
      }, ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          assert.deepStrictEqual(yield* fabric.controllers(nqn), [])
        }))
    }))

  it.live("a controller whose attributes are just being made is waited for, not overlooked", () =>
    Effect.gen(function*() {
      const reads = yield* Ref.make(0)
      yield* withFabric({
        files: (real) => ({
          readFileString: (path) =>
            path.endsWith("nvme3/subsysnqn")
              ? Effect.flatMap(Ref.updateAndGet(reads, (n) => n + 1), (n) =>
                real.readFileString(n < 3 ? `${path}-missing` : path))
              : real.readFileString(path)
        })
      }, ({ fabric, tree }) =>
        Effect.gen(function*() {
          yield* tree.add(controller)
          assert.strictEqual((yield* fabric.controllers(nqn)).length, 1)
        }))
    }))

  it.live("one that stays half made is an error, never \"not connected\"", () =>
    withFabric({
      files: (real) => ({
        readFileString: (path) => real.readFileString(path.endsWith("nvme3/subsysnqn") ? `${path}-missing` : path)
      })
    }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        const error = yield* Effect.flip(fabric.controllers(nqn))
        assert.strictEqual(error._tag, "FabricUnreadable")
      })))

  it.live("a device that goes while it is read is none", () =>
    withFabric({
      files: (real) => ({
        readFileString: (path) =>
          path.endsWith("nvme13n1/size")
            ? Effect.andThen(
              Effect.orDie(real.remove(path.slice(0, -"/size".length), { recursive: true })),
              real.readFileString(path)
            )
            : real.readFileString(path)
      })
    }, ({ fabric, tree }) =>
      Effect.gen(function*() {
        yield* tree.add(controller)
        yield* tree.addNamespace(controller, namespace)
        assert.isTrue(Option.isNone(yield* fabric.device(nqn)))
      })))
})

describe.concurrent("rescan", () => {
  it.live("asks every live controller, and no other", () =>
    withFabric({}, ({ fabric, tree }) =>
      Effect.gen(function*() {
        const asked = (name: string) => Effect.map(tree.read(name, "rescan_controller"), (text) => text === "1")
        yield* tree.add(controller)
        yield* tree.add({ name: "nvme4", nqn })
        yield* tree.add({ name: "nvme5", nqn, state: "connecting" })
        yield* tree.add({ name: "nvme6", nqn: nqnOf("b") })
        yield* fabric.rescan(nqn)
        assert.deepStrictEqual(
          yield* Effect.forEach(["nvme3", "nvme4", "nvme5", "nvme6"], asked),
          [true, true, false, false]
        )
      })))

  it.live("a controller that is gone when its attribute is opened does not matter: sysfs refuses to create one", () =>
    withFabric({
      files: (real) => ({ writeFileString: (path) => Effect.andThen(real.remove(path), failing(path, "EACCES")) })
    }, ({ fabric, tree }) => Effect.andThen(tree.add(controller), fabric.rescan(nqn))))

  it.live("a controller that goes meanwhile does not matter; one that cannot be asked does", () =>
    Effect.gen(function*() {
      for (const [code, fails] of [["ENODEV", false], ["EROFS", true]] as const) {
        yield* withFabric(
          { files: () => ({ writeFileString: (path) => failing(path, code) }) },
          ({ fabric, tree }) =>
            Effect.gen(function*() {
              yield* tree.add(controller)
              const exit = yield* Effect.exit(fabric.rescan(nqn))
              assert.strictEqual(exit._tag === "Failure", fails)
            })
        )
      }
    }))
})
