import { assert, describe, it } from "@effect/vitest"
import { glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"
import { base, containers, controller, driverOf, node } from "./Objects.ts"

describe("every container", () => {
  it("has a root file system that it cannot write", () => {
    for (const { container } of containers) {
      assert.isTrue(container.securityContext.readOnlyRootFilesystem, container.name)
    }
  })

  it("but the driver's on a node may do nothing that a user may not", () => {
    for (const { container } of containers) {
      if (container === driverOf(node)) continue
      const { allowPrivilegeEscalation, capabilities, privileged } = container.securityContext
      assert.deepStrictEqual(
        [allowPrivilegeEscalation, capabilities?.drop, privileged],
        [false, ["ALL"], undefined],
        container.name
      )
    }
  })

  it("asks for memory, and has no limit of CPU, which would slow it down when it is needed", () => {
    for (const { container: { name, resources } } of containers) {
      assert.hasAllKeys(resources.requests, ["cpu", "memory"], name)
      assert.notProperty(resources.limits ?? {}, "cpu", name)
    }
  })

  it("of the driver asks for as much as the bench allows it", async () => {
    const targets = await readFile(join(root, "bench/Targets.ts"), "utf8")
    const [, ...allowed] = /limit: name === "controller" \? (\d+) : (\d+)/.exec(targets) ?? []
    const asked = [controller, node].map((workload) => driverOf(workload).resources.requests["memory"])
    assert.deepStrictEqual(asked, allowed.map((megabytes) => `${megabytes}Mi`))
  })

  it("is in a pod with the runtime's system calls, and no variables of Services", () => {
    for (const { pod } of containers) {
      assert.strictEqual(pod.securityContext.seccompProfile.type, "RuntimeDefault")
      assert.isFalse(pod.enableServiceLinks)
    }
  })
})

describe("the controller's pod", () => {
  const { spec } = controller.template

  it("is no root, and one user, who alone may open the socket", () => {
    assert.isTrue(spec.securityContext.runAsNonRoot)
    for (const { securityContext } of spec.containers) assert.isUndefined(securityContext.runAsUser)
  })

  it("has nothing of the host", () => {
    assert.deepStrictEqual([spec.hostNetwork, spec.hostPID], [undefined, undefined])
    for (const { hostPath, name } of spec.volumes) assert.isUndefined(hostPath, name)
  })

  it("shows the key to the driver alone", () => {
    const holders = spec.containers.filter(({ volumeMounts }) =>
      volumeMounts.some(({ name }) => name === "rds-credentials")
    )
    assert.deepStrictEqual(holders.map(({ name }) => name), ["rds-csi-driver"])
  })
})

describe("a node's pod", () => {
  const { spec } = node.template

  it("has of the host what its comments say, and no key", () => {
    assert.deepStrictEqual(
      spec.volumes.flatMap(({ hostPath }) => hostPath === undefined ? [] : [hostPath.path]).sort(),
      [
        "/dev",
        "/sys",
        "/var/lib/kubelet",
        "/var/lib/kubelet/plugins/rds.csi.srvlab.io",
        "/var/lib/kubelet/plugins_registry",
        "/var/lib/rds-csi"
      ]
    )
    for (const { name, secret } of spec.volumes) assert.isUndefined(secret, name)
  })

  it("sees the processes of the host, since the driver asks them before it unmounts", async () => {
    const files = await Array.fromAsync(glob("src/mount/linux/*.ts", { cwd: root }))
    const sources = await Promise.all(files.map((file) => readFile(join(root, file), "utf8")))
    assert.include(sources.join(""), "${procRoot}/1/ns/mnt")
    assert.isTrue(spec.hostPID)
    assert.isTrue(spec.hostNetwork)
  })

  it("mounts for kubelet, which needs privileges", () => {
    const driver = driverOf(node)
    assert.isTrue(driver.securityContext.privileged)
    const propagation = driver.volumeMounts.flatMap(({ mountPath, mountPropagation }) =>
      mountPropagation === undefined ? [] : [[mountPath, mountPropagation]]
    )
    assert.deepStrictEqual(propagation, [["/var/lib/kubelet", "Bidirectional"], ["/sys", "HostToContainer"]])
  })

  it("is in a namespace that lets it in", () => {
    const [namespace] = base.filter(({ kind }) => kind === "Namespace")
    assert.strictEqual(namespace?.labels["pod-security.kubernetes.io/enforce"], "privileged")
  })
})

describe("probes", () => {
  it("of liveness ask the CSI socket, by the sidecar, and never the appliance", () => {
    for (const workload of [controller, node]) {
      const probe = driverOf(workload).livenessProbe
      assert.strictEqual(probe?.httpGet.path, "/healthz")
      assert.isAtLeast(probe?.timeoutSeconds ?? 0, 5)
      // Where the sidecar listens: its default, or what it is told.
      const sidecar = workload.template.spec.containers.find(({ name }) => name === "liveness-probe")
      const told = sidecar?.args.flatMap((arg) => /^--http-endpoint=(.+):(\d+)$/.exec(arg)?.slice(1) ?? []) ?? []
      const [host, port] = told.length === 2 ? told : [undefined, "9808"]
      assert.deepStrictEqual([probe?.httpGet.host, String(probe?.httpGet.port)], [host, port])
    }
  })

  it("of nodes listen on their loopback, each on a port of its own", () => {
    const endpoints = node.template.spec.containers.flatMap(({ args }) =>
      args.flatMap((arg) => /^--http-endpoint=(.+)$/.exec(arg)?.slice(1) ?? [])
    )
    assert.deepStrictEqual(endpoints, ["127.0.0.1:9811", "127.0.0.1:9810"])
    const registrar = node.template.spec.containers.find(({ name }) => name === "node-driver-registrar")
    assert.deepInclude(registrar?.livenessProbe?.httpGet, { host: "127.0.0.1", port: 9811 })
  })

  it("of readiness ask the driver", () => {
    for (const workload of [controller, node]) {
      const { args, ports, readinessProbe } = driverOf(workload)
      assert.deepStrictEqual(readinessProbe?.httpGet, { path: "/readyz", port: "metrics" })
      const [metrics] = ports?.filter(({ name }) => name === "metrics") ?? []
      assert.include(args, `--metrics-address=:${metrics?.containerPort}`)
    }
  })
})

describe("a new version", () => {
  it("of the controller starts when the old one has ended, which may be the Go driver's", () => {
    assert.deepStrictEqual([controller.replicas, controller.strategy?.type], [1, "Recreate"])
  })

  it("of the node plugin goes to one node at a time", () => {
    assert.deepStrictEqual(node.updateStrategy, { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } })
  })
})
