import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { load } from "js-yaml"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { root } from "../../scripts/run.ts"
import { base, config, containerOf, containers, controller, driverOf, everything, find, node } from "./Objects.ts"

const yaml = async (file: string): Promise<unknown> => load(await readFile(join(root, file), "utf8"))

describe("names that clusters with the Go driver have", () => {
  it("of the objects", () => {
    const names = base.map(({ kind, name }) => `${kind} ${name}`)
    assert.includeMembers(names, [
      "Namespace rds-csi",
      "ConfigMap rds-csi-config",
      "ServiceAccount rds-csi-controller",
      "ServiceAccount rds-csi-node",
      "Deployment rds-csi-controller",
      "DaemonSet rds-csi-node",
      "CSIDriver rds.csi.srvlab.io",
      "StorageClass rds-nvme",
      "VolumeSnapshotClass rds-csi-snapclass"
    ])
    // A binding of the same name with another role would be refused: what a binding refers to cannot be changed.
    for (const name of ["rds-csi-controller-binding", "rds-csi-node-binding"]) {
      assert.notInclude(names, `ClusterRoleBinding ${name}`)
    }
  })

  it("of the labels that pods are selected by, which cannot be changed", () => {
    assert.deepStrictEqual(controller.selector.matchLabels, { app: "rds-csi-controller" })
    assert.deepStrictEqual(node.selector.matchLabels, { app: "rds-csi-node" })
    for (const { selector, template } of [controller, node]) {
      assert.include(template.metadata.labels, selector.matchLabels)
    }
  })

  it("of what the ConfigMap and the Secret hold", () => {
    const old = ["rds-address", "rds-port", "rds-user", "rds-volume-base-path", "nqn-prefix"]
    assert.includeMembers(Object.keys(config), old)
    for (const { valueFrom } of driverOf(controller).env ?? []) {
      const reference = valueFrom?.configMapKeyRef
      if (reference === undefined) continue
      assert.property(config, reference.key)
      // A ConfigMap of the Go driver has no others, and has to do.
      assert.strictEqual(reference.optional === true, !old.includes(reference.key), reference.key)
    }
    const [secret] = controller.template.spec.volumes.flatMap(({ secret }) => secret === undefined ? [] : [secret])
    assert.deepStrictEqual(secret, { secretName: "rds-csi-secret", defaultMode: 0o440 })
    const files = driverOf(controller).args.flatMap((arg) => /=\/etc\/rds-csi\/(.+)/.exec(arg)?.slice(1) ?? [])
    assert.sameMembers(files, ["rds-private-key", "rds-host-key"])
  })

  it("of the socket that kubelet knows, and of the node", () => {
    const registrar = node.template.spec.containers.find(({ name }) => name === "node-driver-registrar")
    assert.include(
      registrar?.args ?? [],
      "--kubelet-registration-path=/var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock"
    )
    const plugin = node.template.spec.volumes.find(({ name }) => name === "plugin-dir")
    assert.strictEqual(plugin?.hostPath?.path, "/var/lib/kubelet/plugins/rds.csi.srvlab.io")
    assert.include((driverOf(node).env ?? []).map(({ name }) => name), "NODE_ID")
  })

  it("of the fields of CSIDriver, of which two cannot be changed", () => {
    const { spec } = find(
      Schema.Struct({ spec: Schema.Record(Schema.String, Schema.Unknown) }),
      "CSIDriver",
      "rds.csi.srvlab.io"
    )
    assert.deepInclude(spec, {
      attachRequired: true,
      volumeLifecycleModes: ["Persistent"],
      fsGroupPolicy: "File",
      podInfoOnMount: true,
      requiresRepublish: false
    })
    // The scheduler looks for free space only if somebody tells of it.
    const provisioner = containerOf(controller, "csi-provisioner")
    assert.strictEqual(spec["storageCapacity"], provisioner.args.includes("--enable-capacity"))
  })

  it("of the values of its chart", async () => {
    const Values = Schema.Record(Schema.String, Schema.Unknown)
    const schema = Schema.decodeUnknownSync(Schema.Struct({ properties: Values }))(
      await yaml("charts/rds-csi-driver/values.schema.json")
    )
    const section = (name: string) =>
      Object.keys(Schema.decodeUnknownSync(Schema.Struct({ properties: Values }))(schema.properties[name]).properties)
    const kept: Readonly<Record<string, string>> = {
      rds: "managementIP storageIP sshPort nvmePort sshUser basePath secretName insecureSkipVerify nqnPrefix",
      controller: "replicas image logLevel resources nodeSelector tolerations affinity priorityClassName " +
        "orphanReconciler attachmentGracePeriod attachmentReconcileInterval vmiSerialization",
      node: "image logLevel resources kubeletPath nodeSelector tolerations priorityClassName " +
        "terminationGracePeriodSeconds registrar livenessProbe"
    }
    for (const [name, values] of Object.entries(kept)) assert.includeMembers(section(name), values.split(" "))
    assert.includeMembers(Object.keys(schema.properties), ["storageClasses", "snapshotClass", "namespace", "sidecars"])
  })
})

describe("versions", () => {
  it("of the images are tags, and never the latest", () => {
    for (const { container } of containers) {
      assert.match(container.image, /^[a-z0-9.:/-]+:v?\d+\.\d+\.\d+$/, container.name)
    }
  })

  it("of the driver are those of the package, in its image and in the chart", async () => {
    for (const workload of [controller, node]) {
      assert.strictEqual(driverOf(workload).image, `rds-csi:${manifest.version}`)
    }
    assert.propertyVal(await yaml("charts/rds-csi-driver/Chart.yaml"), "appVersion", manifest.version)
    for (const { labels, name } of everything) {
      assert.strictEqual(labels["app.kubernetes.io/version"], manifest.version, name)
    }
  })
})

it("no file holds a Secret", () => {
  assert.notInclude(everything.map(({ kind }) => kind), "Secret")
})

it("every file of the base is in its kustomization", async () => {
  const { resources } = Schema.decodeUnknownSync(Schema.Struct({ resources: Schema.Array(Schema.String) }))(
    await yaml("manifests/base/kustomization.yaml")
  )
  const listed = await Promise.all(resources.map((file) => readFile(join(root, "manifests/base", file), "utf8")))
  assert.isAbove(listed.length, 10)
  assert.strictEqual(new Set(resources).size, resources.length)
  const objects = listed.join("\n").match(/^kind: /gm) ?? []
  assert.lengthOf(base, objects.length)
})
