import { Effect, Schedule } from "effect"
import { Identity } from "../../../src/csi/gen/csi_pb.ts"
import { connect } from "../../support/GrpcClient.ts"
import { base } from "../../support/TestCluster.ts"
import { makeAppliance } from "./Appliance.ts"
import { applianceAddress, csiPort, Machines, sshPort } from "./Machines.ts"

/** The socket of the driver in its machine. */
export const csiSocket = "/run/rds-csi/csi.sock"

/** Controller and node plugin as one process on node A, with the machine's own kernel, and the appliance beside it. */
export const startWholeDriver = Effect.gen(function*() {
  const { nodeA: vm, rds } = yield* Machines
  yield* Effect.forEach([rds, vm], (machine) => machine.powerOn, { concurrency: 2, discard: true })
  const appliance = yield* makeAppliance(rds)
  const { hostKey } = yield* appliance.start
  const write = (path: string, text: string) => vm.writeFile(path, new TextEncoder().encode(text))
  yield* write("/run/csi/key", appliance.privateKey)
  yield* write("/run/csi/host-key", `${hostKey}\n`)
  yield* vm.sh("chmod 600 /run/csi/key")
  const { log, outcome } = yield* vm.start([
    ["node", "/programs/dist/rds-csi.js", "all", `--endpoint=unix://${csiSocket}`, "--attachments=memory"],
    [`--rds-address=${applianceAddress}`, `--rds-port=${sshPort}`, "--rds-user=csi", "--rds-key-file=/run/csi/key"],
    ["--rds-host-key=/run/csi/host-key", `--rds-volume-base-path=${base}`, `--node-id=${vm.name}`],
    ["--state-dir=/var/lib/rds-csi", "--metrics-address=", "--log-format=json", "--node-events=none"]
  ].flat())
  const client = yield* connect(`127.0.0.1:${vm.port(csiPort)}`)
  const ready = client.call(Identity.method.probe, {}, { deadline: "5 seconds" }).pipe(
    Effect.filterOrFail((reply) => reply.ready === true),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.timeoutOrElse({
      duration: "4 minutes",
      orElse: () => Effect.flatMap(vm.sh(`cat ${log}`), (text) => Effect.die(`the driver is not ready: ${text}`))
    })
  )
  const ended = Effect.flatMap(outcome, ({ stdout }) => Effect.die(`the driver has ended: ${stdout}`))
  yield* Effect.raceFirst(ready, ended)
  return { appliance, client, vm }
})
