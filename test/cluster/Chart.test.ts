import { assert, describe, it } from "@effect/vitest"
import { canBuild } from "../../scripts/go.ts"
import { provideTools } from "../../scripts/manifests/tools.ts"
import { changesBy, refusalOf } from "./support/ChartChanges.ts"

/** All that `--set` with this changes in what the chart makes. */
const changes: ReadonlyArray<readonly [settings: string, ...changes: ReadonlyArray<string>]> = [
  [
    "rds.managementIP=10.0.0.1",
    "- ConfigMap rds-csi-config data.rds-address: 192.0.2.1",
    "+ ConfigMap rds-csi-config data.rds-address: 10.0.0.1"
  ],
  [
    "rds.storageIP=10.0.1.1",
    "- ConfigMap rds-csi-config data.nvme-address: 192.0.2.1",
    "+ ConfigMap rds-csi-config data.nvme-address: 10.0.1.1",
    "- StorageClass rds-nvme parameters.nvmeAddress: 192.0.2.1",
    "+ StorageClass rds-nvme parameters.nvmeAddress: 10.0.1.1"
  ],
  [
    "rds.sshPort=2222",
    "- NetworkPolicy controller spec.egress.ports.port: 22",
    "+ NetworkPolicy controller spec.egress.ports.port: 2222",
    "- ConfigMap rds-csi-config data.rds-port: 22",
    "+ ConfigMap rds-csi-config data.rds-port: 2222"
  ],
  [
    "rds.insecureSkipVerify=true",
    "- Deployment controller containers.rds-csi-driver.args: --rds-host-key=/etc/rds-csi/rds-host-key",
    "+ Deployment controller containers.rds-csi-driver.args: --insecure-skip-host-key-check"
  ],
  [
    "rds.secretName=mine",
    "- Deployment controller volumes.rds-credentials.secret.secretName: rds-csi-secret",
    "+ Deployment controller volumes.rds-credentials.secret.secretName: mine"
  ],
  ["rds.createConfig=false", "- ConfigMap rds-csi-config"],
  [
    "controller.image.repository=registry.example/rds-csi,controller.image.tag=1.2.3",
    "- Deployment controller containers.rds-csi-driver.image: rds-csi:0.1.0",
    "+ Deployment controller containers.rds-csi-driver.image: registry.example/rds-csi:1.2.3"
  ],
  [
    "controller.hostAccess=holders",
    "- Deployment controller containers.rds-csi-driver.args: --host-access=any",
    "+ Deployment controller containers.rds-csi-driver.args: --host-access=holders"
  ],
  [
    "controller.orphanReconciler.dryRun=false",
    "- Deployment controller containers.rds-csi-driver.args: --orphan-dry-run=true",
    "+ Deployment controller containers.rds-csi-driver.args: --orphan-dry-run=false"
  ],
  [
    "controller.orphanReconciler.enabled=false",
    "- ClusterRole controller-driver rules.resources: persistentvolumeclaims",
    "- Deployment controller containers.rds-csi-driver.args: --enable-orphan-reconciler",
    "- Deployment controller containers.rds-csi-driver.args: --orphan-check-interval=1h",
    "- Deployment controller containers.rds-csi-driver.args: --orphan-grace-period=24h",
    "- Deployment controller containers.rds-csi-driver.args: --orphan-dry-run=true"
  ],
  [
    "node.kubeletPath=/var/lib/k0s/kubelet/",
    "- DaemonSet node containers.rds-csi-driver.volumeMounts.kubelet-dir.mountPath: /var/lib/kubelet",
    "+ DaemonSet node containers.rds-csi-driver.volumeMounts.kubelet-dir.mountPath: /var/lib/k0s/kubelet",
    "- DaemonSet node containers.node-driver-registrar.args: --kubelet-registration-path=/var/lib/kubelet/plugins/rds.csi.srvlab.io/csi.sock",
    "+ DaemonSet node containers.node-driver-registrar.args: --kubelet-registration-path=/var/lib/k0s/kubelet/plugins/rds.csi.srvlab.io/csi.sock",
    "- DaemonSet node volumes.plugin-dir.hostPath.path: /var/lib/kubelet/plugins/rds.csi.srvlab.io",
    "+ DaemonSet node volumes.plugin-dir.hostPath.path: /var/lib/k0s/kubelet/plugins/rds.csi.srvlab.io",
    "- DaemonSet node volumes.registration-dir.hostPath.path: /var/lib/kubelet/plugins_registry",
    "+ DaemonSet node volumes.registration-dir.hostPath.path: /var/lib/k0s/kubelet/plugins_registry",
    "- DaemonSet node volumes.kubelet-dir.hostPath.path: /var/lib/kubelet",
    "+ DaemonSet node volumes.kubelet-dir.hostPath.path: /var/lib/k0s/kubelet"
  ],
  [
    "node.stateDir=/run/rds-csi",
    "- DaemonSet node volumes.state-dir.hostPath.path: /var/lib/rds-csi",
    "+ DaemonSet node volumes.state-dir.hostPath.path: /run/rds-csi"
  ],
  [
    "node.maxVolumes=100",
    "- DaemonSet node containers.rds-csi-driver.args: --max-volumes=0",
    "+ DaemonSet node containers.rds-csi-driver.args: --max-volumes=100"
  ],
  [
    "node.registrar.port=9999",
    "- DaemonSet node containers.node-driver-registrar.args: --http-endpoint=127.0.0.1:9811",
    "+ DaemonSet node containers.node-driver-registrar.args: --http-endpoint=127.0.0.1:9999",
    "- DaemonSet node containers.node-driver-registrar.livenessProbe.httpGet.port: 9811",
    "+ DaemonSet node containers.node-driver-registrar.livenessProbe.httpGet.port: 9999"
  ],
  [
    "monitoring.port=9900",
    ...[
      "NetworkPolicy controller spec.ingress.ports.port: ",
      "Service metrics spec.ports.metrics.port: ",
      "DaemonSet node containers.rds-csi-driver.args: --metrics-address=:",
      "DaemonSet node containers.rds-csi-driver.ports.metrics.containerPort: ",
      "Deployment controller containers.rds-csi-driver.args: --metrics-address=:",
      "Deployment controller containers.rds-csi-driver.ports.metrics.containerPort: "
    ].flatMap((place) => [`- ${place}9809`, `+ ${place}9900`])
  ],
  ["monitoring.enabled=false", "- Service metrics"],
  ["monitoring.podMonitor.enabled=true", "+ PodMonitor controller", "+ PodMonitor node"],
  ["networkPolicy.enabled=false", "- NetworkPolicy controller"],
  [
    "networkPolicy.applianceCIDR=10.0.0.1/32",
    "+ NetworkPolicy controller spec.egress.to.ipBlock.cidr: 10.0.0.1/32"
  ],
  ["namespace.create=true", "+ Namespace rds-csi"],
  [
    "openshift.enabled=true",
    "+ RoleBinding controller-nonroot",
    "+ SecurityContextConstraints node",
    ...["node-driver-registrar", "liveness-probe"].flatMap((sidecar) => [
      `- DaemonSet node containers.${sidecar}.securityContext.allowPrivilegeEscalation: false`,
      `- DaemonSet node containers.${sidecar}.securityContext.capabilities.drop: ALL`,
      `+ DaemonSet node containers.${sidecar}.securityContext.privileged: true`
    ])
  ],
  [
    "storageClasses[0].name=fast,storageClasses[0].enabled=true,storageClasses[0].fsType=xfs",
    "- StorageClass rds-nvme",
    "+ StorageClass fast"
  ],
  [
    "snapshotClass.deletionPolicy=Retain",
    "- VolumeSnapshotClass rds-csi-snapclass deletionPolicy: Delete",
    "+ VolumeSnapshotClass rds-csi-snapclass deletionPolicy: Retain"
  ]
]

/** Values that a pod which does not start would otherwise find out, and what Helm says to each. */
const wrong: ReadonlyArray<readonly [setting: string, said: string]> = [
  ["controller.logLevel=5", "at '/controller/logLevel': got number, want string"],
  [
    "controller.logLevel=loud",
    "at '/controller/logLevel': value must be one of 'trace', 'debug', 'info', 'warn', 'error'"
  ],
  ["controller.image.tag=latest", "at '/controller/image/tag': 'not' failed"],
  ["controller.replicas=0", "at '/controller/replicas': minimum: got 0, want 1"],
  ["controller.attachmentGracePeriod=30", "at '/controller/attachmentGracePeriod': got number, want string"],
  ["controller.rwxPolicy=never", "at '/controller/rwxPolicy': value must be one of 'warn', 'kubevirt-only', 'any'"],
  ["rds.storageIP=rds.example", "at '/rds/storageIP': 'rds.example' does not match pattern"],
  ["rds.basePath=pool/csi", "at '/rds/basePath': 'pool/csi' does not match pattern"],
  ["rds.clusterId=two words", "at '/rds/clusterId': 'two words' does not match pattern"],
  ["rds.managementIp=192.0.2.1", "at '/rds': additional properties 'managementIp' not allowed"],
  ["node.terminationGracePeriodSeconds=5", "at '/node/terminationGracePeriodSeconds': minimum: got 5, want 25"],
  ["node.kubeletPath=kubelet", "at '/node/kubeletPath': 'kubelet' does not match pattern"],
  ["networkPolicy.applianceCIDR=10.0.0.1", "at '/networkPolicy/applianceCIDR': '10.0.0.1' does not match pattern"],
  ["scheduledSnapshots.enabled=true", "at '/scheduledSnapshots/enabled': value must be false"]
]

/** Beside the cluster's tests, since they need a Helm that takes minutes to build the first time. */
describe.skipIf(!await canBuild("Helm"))("a value of the chart", async () => {
  const tools = await provideTools()

  it.each(changes)("%s changes what it is for, and nothing else", async (settings, ...expected) => {
    assert.sameMembers([...await changesBy(tools, settings)], [...expected])
  })

  it("snapshotter.enabled=false takes away the sidecar with all that it may, and its class", async () => {
    const found = await changesBy(tools, "sidecars.snapshotter.enabled=false")
    const container = "- Deployment controller containers.csi-snapshotter."
    assert.sameMembers(found.filter((line) => !line.startsWith(container)), [
      ...["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map((kind) => `- ${kind} controller-snapshotter`),
      "- VolumeSnapshotClass rds-csi-snapclass"
    ])
    assert.include(found, `${container}name: csi-snapshotter`)
  })

  it("controller.replicas=2 lets one go before one comes, and has them apart", async () => {
    const found = await changesBy(tools, "controller.replicas=2")
    const apart = "+ Deployment controller affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution."
    assert.sameMembers(found.filter((line) => !line.startsWith(apart)), [
      "- Deployment controller spec.replicas: 1",
      "+ Deployment controller spec.replicas: 2",
      "- Deployment controller spec.strategy.type: Recreate",
      "+ Deployment controller spec.strategy.type: RollingUpdate",
      "+ Deployment controller spec.strategy.rollingUpdate.maxSurge: 0",
      "+ Deployment controller spec.strategy.rollingUpdate.maxUnavailable: 1"
    ])
    assert.include(found, `${apart}topologyKey: kubernetes.io/hostname`)
  })

  it.each(wrong)("%s is refused, with its place", async (setting, said) => {
    assert.include(await refusalOf(tools, setting), said)
  })
})
