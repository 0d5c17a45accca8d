import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Controller, VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import type { RpcFailure } from "../support/GrpcClient.ts"
import { type CreateFields, createRequest, filesystem, fromSnapshot, fromVolume, GiB } from "../support/Requests.ts"
import { base, TestCluster } from "../support/TestCluster.ts"

const { method } = Controller
const name = "pvc-6f1c2f4e-5f0b-4b64-9a38-0d9c2ad3f6b1"
const unknownId = "pvc-00000000-0000-4000-8000-000000000000"

/** The call fails with this code and a message that says this, and leaves the appliance as it was. */
const refused = (
  call: (cluster: TestCluster["Service"]) => Effect.Effect<unknown, RpcFailure>,
  code: string,
  says: ReadonlyArray<string>
) =>
  Effect.gen(function*() {
    const cluster = yield* TestCluster
    const { device } = cluster.simulator
    const before = [yield* device.disks, yield* device.files]
    const failure = yield* Effect.flip(call(cluster))
    assert.strictEqual(failure.code, code, failure.details)
    for (const text of says) assert.include(failure.details, text)
    assert.deepStrictEqual([yield* device.disks, yield* device.files], before)
  })

const refusedCreates: ReadonlyArray<{
  readonly title: string
  readonly change: CreateFields
  readonly code?: string
  readonly says: ReadonlyArray<string>
}> = [
  { title: "no name", change: { name: "" }, says: ["name is required"] },
  { title: "a control character in the name", change: { name: "a\u0001b" }, says: ["name", "control character"] },
  { title: "a name of more than 128 bytes", change: { name: "ä".repeat(65) }, says: ["name has 130 bytes", "128"] },
  { title: "no capability", change: { volumeCapabilities: [] }, says: ["volume_capabilities is required"] },
  {
    title: "a capability without access mode",
    change: { volumeCapabilities: [{ accessType: { case: "block", value: {} } }] },
    says: ["access_mode is required"]
  },
  {
    title: "a capability without access type",
    change: { volumeCapabilities: [{ accessMode: { mode: Mode.SINGLE_NODE_WRITER } }] },
    says: ["access_type is required"]
  },
  {
    title: "ReadWriteMany with a file system",
    change: { volumeCapabilities: [{ ...filesystem, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } }] },
    says: ["volumeMode: Block", "KubeVirt"]
  },
  {
    title: "ReadOnlyMany",
    change: { volumeCapabilities: [{ ...filesystem, accessMode: { mode: Mode.MULTI_NODE_READER_ONLY } }] },
    says: ["MULTI_NODE_READER_ONLY", "SINGLE_NODE_WRITER"]
  },
  {
    title: "an unknown file system",
    change: {
      volumeCapabilities: [{ ...filesystem, accessType: { case: "mount", value: { fsType: "zfs" } } }]
    },
    says: ["zfs", "ext4"]
  },
  {
    title: "a negative size",
    change: { capacityRange: { requiredBytes: -1n } },
    says: ["required_bytes", "-1"]
  },
  {
    title: "a limit below the requirement",
    change: { capacityRange: { requiredBytes: 2n * GiB, limitBytes: GiB } },
    says: ["limit_bytes", String(GiB), String(2n * GiB)]
  },
  {
    title: "a limit below the smallest volume",
    change: { capacityRange: { requiredBytes: 1n, limitBytes: 1024n } },
    code: "OUT_OF_RANGE",
    says: ["1 GiB", "16 TiB"]
  },
  {
    title: "more than the largest volume",
    change: { capacityRange: { requiredBytes: (16n << 40n) + 1n } },
    code: "OUT_OF_RANGE",
    says: ["16 TiB"]
  },
  { title: "an unknown parameter", change: { parameters: { pool: "x" } }, says: ["pool", "volumePath", "nvmePort"] },
  {
    title: "a path outside the base",
    change: { parameters: { volumePath: "/storage-pool/other" } },
    says: ["volumePath", "/storage-pool/other", base]
  },
  {
    title: "a path that only begins like the base",
    change: { parameters: { volumePath: `${base}2` } },
    says: ["volumePath", base]
  },
  {
    title: "a path that climbs out of the base",
    change: { parameters: { volumePath: `${base}/../x` } },
    says: ["volumePath", ".."]
  },
  {
    title: "a RouterOS command in a parameter",
    change: { parameters: { volumePath: `${base}/"; /system/reboot; "` } },
    says: ["volumePath"]
  },
  { title: "a port out of range", change: { parameters: { nvmePort: "70000" } }, says: ["nvmePort", "70000", "65535"] },
  { title: "an address that is none", change: { parameters: { nvmeAddress: "rds" } }, says: ["nvmeAddress", "rds"] },
  { title: "a bad ctrlLossTmo", change: { parameters: { ctrlLossTmo: "-2" } }, says: ["ctrlLossTmo", "-2", "-1"] },
  { title: "a content source of no kind", change: { volumeContentSource: {} }, says: ["volume_content_source.type"] },
  { title: "a content source without id", change: fromSnapshot(""), says: ["snapshot.snapshot_id"] },
  ...[unknownId, "nonsense/.."].flatMap((id) =>
    [fromVolume(id), fromSnapshot(id)].map((change, i) => ({
      title: `the content of ${i === 0 ? "a volume" : "a snapshot"} ${id}, which does not exist`,
      change,
      code: "NOT_FOUND",
      says: [id, "does not exist"]
    }))
  ),
  { title: "mutable parameters", change: { mutableParameters: { speed: "1" } }, says: ["mutable_parameters", "speed"] }
]

layer(TestCluster.layer(), { excludeTestServices: true })("bad input", (it) => {
  for (const { change, code = "INVALID_ARGUMENT", says, title } of refusedCreates) {
    it.effect(`CreateVolume refuses ${title}`, () =>
      refused(({ client }) => client.call(method.createVolume, createRequest(name, change)), code, says))
  }

  it.effect("ids of any form are unknown volumes, never invalid", () =>
    Effect.forEach(
      ["nonsense", "ü/..\n", "pvc-", unknownId, "x".repeat(500), "\"; /disk/remove [find]"],
      (volumeId) =>
        Effect.gen(function*() {
          const { client } = yield* TestCluster
          const volumeCapability = filesystem
          yield* refused(() => client.call(method.controllerGetVolume, { volumeId }), "NOT_FOUND", [])
          yield* refused(
            () => client.call(method.controllerExpandVolume, { volumeId, capacityRange: { requiredBytes: GiB } }),
            "NOT_FOUND",
            []
          )
          yield* refused(
            () => client.call(method.controllerPublishVolume, { volumeId, nodeId: "node-a", volumeCapability }),
            "NOT_FOUND",
            []
          )
          yield* refused(
            () => client.call(method.validateVolumeCapabilities, { volumeId, volumeCapabilities: [filesystem] }),
            "NOT_FOUND",
            []
          )
          yield* refused(
            () => client.call(method.createSnapshot, { sourceVolumeId: volumeId, name: "s" }),
            "NOT_FOUND",
            []
          )
          const filtered = [{ snapshotId: volumeId }, { sourceVolumeId: volumeId }]
          for (const filter of filtered) {
            assert.deepStrictEqual((yield* client.call(method.listSnapshots, filter)).entries, [])
          }
          yield* client.call(method.deleteSnapshot, { snapshotId: volumeId })
          yield* client.call(method.deleteVolume, { volumeId })
          yield* client.call(method.controllerUnpublishVolume, { volumeId, nodeId: "node-a" })
        }),
      { discard: true }
    ))

  it.effect("missing fields are named before anything is looked up", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const check = (call: Effect.Effect<unknown, RpcFailure>, field: string) =>
        refused(() => call, "INVALID_ARGUMENT", [field])
      yield* check(client.call(method.deleteVolume, {}), "volume_id")
      yield* check(client.call(method.controllerPublishVolume, {}), "volume_id")
      yield* check(client.call(method.controllerPublishVolume, { volumeId: "x" }), "node_id")
      yield* check(client.call(method.controllerPublishVolume, { volumeId: "x", nodeId: "y" }), "volume_capability")
      yield* check(client.call(method.controllerUnpublishVolume, {}), "volume_id")
      yield* check(client.call(method.validateVolumeCapabilities, {}), "volume_id")
      yield* check(client.call(method.validateVolumeCapabilities, { volumeId: "x" }), "volume_capabilities")
      yield* check(client.call(method.controllerExpandVolume, {}), "volume_id")
      yield* check(client.call(method.controllerExpandVolume, { volumeId: "x" }), "capacity_range")
      yield* check(client.call(method.controllerGetVolume, {}), "volume_id")
      yield* check(client.call(method.listVolumes, { maxEntries: -1 }), "max_entries")
      yield* check(client.call(method.createSnapshot, { sourceVolumeId: "x" }), "name")
      yield* check(client.call(method.createSnapshot, { name: "x" }), "source_volume_id")
      yield* check(client.call(method.deleteSnapshot, {}), "snapshot_id")
      yield* check(client.call(method.listSnapshots, { maxEntries: -1 }), "max_entries")
      const classed = { sourceVolumeId: unknownId, name: "x" }
      yield* check(
        client.call(method.createSnapshot, { ...classed, parameters: { volumePath: "/else" } }),
        "volumePath"
      )
      yield* check(client.call(method.createSnapshot, { ...classed, parameters: { pool: "x" } }), "pool")
    }))

  it.effect("a token that was never given out is ABORTED", () =>
    Effect.forEach(
      [method.listVolumes, method.listSnapshots] as const,
      (list) =>
        refused(({ client }) => client.call(list, { startingToken: "invalid-token" }), "ABORTED", ["invalid-token"])
    ))

  it.effect("a node that is not known is NOT_FOUND", () =>
    Effect.gen(function*() {
      const { client } = yield* TestCluster
      const { volume } = yield* client.call(method.createVolume, createRequest(name))
      const volumeId = volume?.volumeId ?? ""
      yield* refused(
        () => client.call(method.controllerPublishVolume, { volumeId, nodeId: "node-x", volumeCapability: filesystem }),
        "NOT_FOUND",
        ["node-x"]
      )
      yield* client.call(method.deleteVolume, { volumeId })
    }))
})
