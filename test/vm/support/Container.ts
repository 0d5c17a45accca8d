/**
 * What a container runtime makes of the image and of the DaemonSet's container with the driver, in a machine that has none. The
 * image's root file system lies on a disk; over it, as containerd has it, an overlay that nobody may write afterwards.
 */
import { Effect, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { root } from "../../../scripts/run.ts"
import { driverOf, environmentOf, node } from "../../install/Objects.ts"
import type { PluginStart } from "./NodePlugin.ts"
import type { Vm } from "./Vm.ts"

/** The first disk of a machine after those that each has. */
const imageDisk = "/dev/vdd"

/** Where the test's client is let in, in the machine: see test/vm/guest/agent.ts. */
const tunnelled = "/run/rds-csi"

const dockerfile = await readFile(join(root, "image/Dockerfile"), "utf8")
const [, entrypointJson = ""] = /^ENTRYPOINT (.+)$/m.exec(dockerfile) ?? []
const entrypoint = Schema.decodeSync(Schema.fromJsonString(Schema.Array(Schema.String)))(entrypointJson)
/** Those of the image; a runtime adds a PATH where there is none. */
const imageVariables = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ...Object.fromEntries(
    [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = "", value = ""]) => [name, value])
  )
}

const container = driverOf(node)

const propagations = new Map([["Bidirectional", "rshared"], ["HostToContainer", "rslave"]])

const tracing = "/sys/kernel/tracing"

/** kubelet keeps what is of the pod alone in its own directory. */
const emptyDirectory = (name: string) => `/var/lib/kubelet/pods/rds-csi-node/volumes/kubernetes.io~empty-dir/${name}`

const mounts = container.volumeMounts.map(({ mountPath, mountPropagation = "None", name }) => {
  const path = node.template.spec.volumes.find((volume) => volume.name === name)?.hostPath?.path
  return {
    source: path ?? emptyDirectory(name),
    target: mountPath,
    propagation: propagations.get(mountPropagation) ?? "rprivate"
  }
})

/** The directory of the host that has the CSI socket. */
const socketDirectory = mounts.find(({ target }) => target === "/csi")?.source ?? ""

/**
 * In a mount namespace whose mounts are still those of the host: what is made below /run is made private first, so that the
 * host sees nothing but what goes through mounts with propagation. No file of the host can be reached after the end of it,
 * except through the mounts of the pod and the /proc of the host.
 */
const enter = [
  `mountpoint -q ${tracing} || mount -t tracefs tracefs ${tracing}`,
  "mount --make-private /run",
  "mkdir -p /run/container",
  "mount -t tmpfs tmpfs /run/container",
  "cd /run/container",
  "mkdir image upper work root",
  `mount -o ro ${imageDisk} image`,
  "modprobe overlay",
  "mount -t overlay overlay -o lowerdir=image,upperdir=upper,workdir=work root",
  // hostPID: the processes of the host.
  "mount -t proc proc root/proc",
  ...mounts.flatMap(({ propagation, source, target }) => [
    `mkdir -p ${source} root${target}`,
    `mount --rbind ${source} root${target}`,
    `mount --make-${propagation} root${target}`
  ]),
  `ln -sfn ${socketDirectory} ${tunnelled}`,
  ...(container.securityContext.readOnlyRootFilesystem ? ["mount -o remount,bind,ro root"] : []),
  "cd root",
  "pivot_root . mnt",
  // Else the host would lose its mounts with the next line.
  "mount --make-rslave /mnt",
  "umount --lazy /mnt"
]

/** From then on the kernel notes each program that this process and its descendants start; {@link startedIn} reads it. */
const trace = [
  `echo $$ > ${tracing}/set_event_pid`,
  `echo 1 > ${tracing}/options/event-fork`,
  `echo 1 > ${tracing}/events/sched/sched_process_exec/enable`
]

/** Starts the node plugin as a kubelet would, but for an API server to tell events to, which is not there. */
export const inContainer: PluginStart = (machine, flags) => {
  const variables = { ...imageVariables, ...environmentOf(container, { "spec.nodeName": machine }) }
  const script = [...enter, ...trace, `exec "$@"`].join("\n")
  return [
    ["env", "-i", ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
    ["unshare", "--mount", "--propagation", "unchanged", "sh", "-euc", script, "sh"],
    [...entrypoint, ...container.args, "--node-events=none", ...flags]
  ].flat()
}

/** Names of the programs that have been started in the container so far. */
export const startedIn = (vm: Vm) =>
  Effect.map(vm.sh(`cat ${tracing}/trace`), (text) => {
    const files = [...text.matchAll(/ sched_process_exec: filename=(\S+)/g)].map(([, file = ""]) => basename(file))
    return [...new Set(files)].sort()
  })
