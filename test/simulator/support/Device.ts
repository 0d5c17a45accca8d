import { Effect } from "effect"
import { generateSshKeyPair } from "../../../src/simulator/Keys.ts"
import { Simulator } from "../../../src/simulator/Simulator.ts"
import { csiPolicies, type SimulatorOptions } from "../../../src/simulator/SimulatorConfig.ts"

/** A device with a user csi, and that user's key. */
export const startDevice = Effect.fnUntraced(function*(
  options: SimulatorOptions = {},
  policies: ReadonlyArray<string> = csiPolicies
) {
  const key = yield* generateSshKeyPair("csi@test")
  const users = [{ name: "csi", publicKeys: [key.publicKey], policies }]
  const simulator = yield* Simulator.start(Simulator.config({ users, ...options }))
  return { simulator, key, privateKey: key.privateKey }
})

/** `/disk/add` of an exported image in the default directory. */
export const addDisk = (name: string, more = "") =>
  `/disk/add type=file slot="${name}" file-path="/storage-pool/metal-csi/${name}.img" file-size=1G ` +
  `nvme-tcp-export=yes nvme-tcp-server-nqn="nqn.2000-02.com.mikrotik:${name}" ${more}`
