import type { DescMethod } from "@bufbuild/protobuf"
import { Arbitrary } from "effect"
import { among, capability, mapOf, mostly, oneOf, type Pools, size, text } from "./Hostile.ts"
import { filesystem, GiB, pvc } from "./Requests.ts"
import { base, nodes } from "./TestCluster.ts"

/** Volumes that requests may name and hit. */
export const existing = [1, 2, 3, 4, 5].map(pvc)

const parameters = mapOf(
  among("volumePath", "nvmePort", "nvmeAddress", "rdsAddress", "ctrlLossTmo", "fsType", "csi.storage.k8s.io/x"),
  among(base, `${base}/fast`, `${base}/../x`, "4420", "0", "-1", "10.0.0.1", "fe80::1%lo", "65536", "1e3")
)

/** Absolute paths lie below the directory: what is at one may be removed, if it is empty. */
const pathBelow = (directory: string) => (path: string) =>
  path.startsWith("/") ? `${directory}/${path.replaceAll("..", "")}` : path

/** Values for the fields of CSI requests; paths lie below the directory, in which `staging` and `pod` are. */
export const poolsIn = (directory: string): Pools => ({
  name: oneOf(among(...existing), text),
  // Volumes that exist, that never did, and what is no id.
  volume_id: oneOf(among(...existing), among(pvc(6), "loose-id", `nqn.2000-02.com.mikrotik:${pvc(1)}`), text),
  source_volume_id: oneOf(among(...existing), text),
  node_id: mostly<string>(nodes[0], oneOf(among<string>(nodes[1], "node-x"), text)),
  capacity_range: mostly<unknown>(
    { requiredBytes: GiB },
    oneOf(
      Arbitrary.Constant(undefined),
      Arbitrary.map(Arbitrary.all([size, size]), ([requiredBytes, limitBytes]) => ({ requiredBytes, limitBytes }))
    )
  ),
  volume_capability: mostly<unknown>(filesystem, oneOf(Arbitrary.Constant(undefined), capability)),
  volume_capabilities: mostly<unknown>([filesystem], Arbitrary.array(capability, { maxLength: 3 })),
  volume_content_source: mostly<unknown>(undefined, among({ type: { case: undefined } })),
  accessibility_requirements: mostly<unknown>(undefined, among({ requisite: [{ segments: { zone: "a" } }] })),
  parameters: mostly<unknown>({}, parameters),
  mutable_parameters: mostly<unknown>({}, among({ speed: "1" })),
  volume_context: mostly<unknown>({ nvmeAddress: "10.0.0.1", nvmePort: "4420" }, parameters),
  publish_context: mostly<unknown>({}, oneOf(among({ readonly: "true" }), parameters)),
  secrets: mostly<unknown>({}, parameters),
  starting_token: mostly("", oneOf(among(`after:${pvc(2)}`), text)),
  staging_target_path: mostly(`${directory}/staging`, Arbitrary.map(text, pathBelow(directory))),
  target_path: oneOf(among(`${directory}/pod/a`, `${directory}/pod/b`), Arbitrary.map(text, pathBelow(directory))),
  volume_path: oneOf(among(`${directory}/pod/a`, `${directory}/staging`), Arbitrary.map(text, pathBelow(directory))),
  readonly: among(false, false, true)
})

// Besides INVALID_ARGUMENT. An RPC that is not here may answer anything that the specification has for some RPC.
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  GetPluginInfo: [],
  GetPluginCapabilities: [],
  Probe: [],
  CreateVolume: ["ALREADY_EXISTS", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "ABORTED"],
  DeleteVolume: ["FAILED_PRECONDITION", "ABORTED"],
  ControllerPublishVolume: ["NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED"],
  ControllerUnpublishVolume: ["ABORTED"],
  ValidateVolumeCapabilities: ["NOT_FOUND"],
  ListVolumes: ["ABORTED"],
  GetCapacity: [],
  ControllerGetCapabilities: [],
  ControllerExpandVolume: ["NOT_FOUND", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "ABORTED"],
  ControllerGetVolume: ["NOT_FOUND"],
  NodeGetCapabilities: [],
  NodeGetInfo: [],
  NodeGetVolumeStats: ["NOT_FOUND"]
}
const codes = ["NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED"]

/** What an RPC may answer besides OK. On a node a target's parent may be missing, for example: UNAVAILABLE. */
export const codesOf = ({ name, parent }: DescMethod): ReadonlyArray<string> => [
  "INVALID_ARGUMENT",
  "UNIMPLEMENTED",
  ...known[name] ?? [...codes, ...parent.name === "Node" ? ["UNAVAILABLE"] : []]
]
