import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { connect, createServer, type Socket } from "node:net"
import ssh2 from "ssh2"
import { control } from "../../src/simulator/ControlClient.ts"
import { type SimulatorProcess, startSimulator } from "../support/SimulatorProcess.ts"

/** Logs in and runs one command through a relay that cuts both sides after so many packets of the server. */
const cutAfter = ({ host, port, privateKey, user }: SimulatorProcess, packets: number) =>
  Effect.callback<void>((resume) => {
    const relay = createServer((client: Socket) => {
      const server = connect(port, host)
      let left = packets
      const cut = () => {
        client.destroy()
        server.resetAndDestroy()
      }
      client.on("data", (bytes) => server.write(bytes)).on("error", cut).on("close", cut)
      server.on("data", (bytes) => {
        if (left-- > 0) return void client.write(bytes)
        return cut()
      }).on("error", cut).on("close", cut)
    })
    relay.listen(0, "127.0.0.1", () => {
      const address = relay.address()
      const ssh = new ssh2.Client()
      ssh.on("ready", () => ssh.exec(":put 1", (_, channel) => channel?.resume().on("close", () => ssh.end())))
      ssh.on("error", () => {})
      ssh.on("close", () => relay.close(() => resume(Effect.void)))
      ssh.connect({
        host: "127.0.0.1",
        port: typeof address === "object" ? address?.port ?? 0 : 0,
        username: user,
        privateKey
      })
    })
  })

layer(NodeServices.layer, { excludeTestServices: true })("the simulator's process", (it) => {
  it.effect("goes on when connections are cut after any of their packets", () =>
    Effect.gen(function*() {
      const simulator = yield* startSimulator()
      for (let packets = 0; packets < 16; packets++) yield* cutAfter(simulator, packets)
      const { ok } = yield* control(simulator.controlSocket, { op: "state" })
      assert.isTrue(ok)
    }))
})
