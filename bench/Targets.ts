import { connections } from "../test/support/BareExec.ts"
import type { InCluster } from "./InCluster.ts"
import type { Results } from "./Results.ts"
import type { Row } from "./Round.ts"

/** A figure and what it must not exceed. */
export interface Target {
  readonly name: string
  readonly unit: "commands" | "×" | "ms" | "MB" | "%"
  readonly limit: number
  readonly measured: number
}

/** Whether how fast, how busy and how large the machine is shows in the figure. */
export const dependsOnMachine = ({ unit }: Target): boolean => unit !== "commands"

export const isMet = ({ limit, measured }: Target): boolean => measured <= limit

/** SSH commands that a call may cost when it is alone; what is not named here may cost none. */
const commandsPerCall: Readonly<Record<string, number>> = {
  CreateVolume: 1,
  ControllerExpandVolume: 1,
  ControllerGetVolume: 1,
  ControllerPublishVolume: 1,
  ValidateVolumeCapabilities: 1,
  ListVolumes: 1,
  GetCapacity: 1,
  DeleteVolume: 2
}

/** What can be said about the targets from what the run has measured. */
export const targetsOf = (results: Results): ReadonlyArray<Target> => [
  ...roundTrips(results),
  ...overhead(results),
  ...bursts(results),
  ...results.inCluster.flatMap(clusterTargets),
  ...results.watching.map(({ cpuMillis, volumes, wallMillis }): Target => ({
    name: `node: watching ${volumes} staged volumes, of one core`,
    unit: "%",
    limit: 1,
    measured: 100 * cpuMillis / wallMillis
  })),
  ...results.startUps.map(({ name, p50 }): Target => ({
    name: `${name}: first Probe answered after`,
    unit: "ms",
    limit: 300,
    measured: p50
  })),
  ...results.memory.map(({ bytes, name }): Target => ({
    name: `${name}: resident after 1 000 RPCs`,
    unit: "MB",
    limit: name === "controller" ? 110 : 90,
    measured: bytes / 1e6
  }))
]

const clusterTargets = ({ pause, publish, rebuildMillis }: InCluster): ReadonlyArray<Target> => [
  {
    name: "ControllerPublishVolume in a cluster: time of one bare SSH command and one API write",
    unit: "×",
    limit: 1.2,
    measured: publish.p50 / (publish.ssh + publish.api)
  },
  {
    name: "1 000 volumes on 50 nodes: who holds what is known after",
    unit: "ms",
    limit: 1_000,
    measured: rebuildMillis
  },
  {
    name: "1 000 volumes on 50 nodes: longest pause while all are compared, median of 5",
    unit: "ms",
    limit: 20,
    measured: pause.comparing
  }
]

const roundTrips = ({ controller, node }: Results): ReadonlyArray<Target> => {
  const [first] = controller
  const alone = [...controller.filter((row) => row.latencyMillis === first?.latencyMillis), ...node]
  return alone.filter(({ bare, inFlight }) => !bare && inFlight === 1).map(({ calls, execs, name }) => ({
    name: `${name}: SSH commands`,
    unit: "commands",
    limit: commandsPerCall[name] ?? 0,
    measured: execs / calls
  }))
}

const overhead = ({ controller }: Results): ReadonlyArray<Target> =>
  controller
    .filter(({ inFlight, latencyMillis, name }) =>
      inFlight === 1 && latencyMillis === 50 && commandsPerCall[name] === 1
    )
    .map(({ name, ratio }) => ({
      name: `${name}: time of one bare SSH command, 50 ms away`,
      unit: "×",
      limit: 1.15,
      measured: ratio
    }))

const bursts = ({ controller }: Results): ReadonlyArray<Target> => {
  const burst = (name: string, latencyMillis?: number) =>
    controller.filter((row) =>
      row.name === name && row.inFlight === 100 && row.latencyMillis === (latencyMillis ?? row.latencyMillis)
    )
  const creates = burst("CreateVolume", 50).map(({ calls, latencyMillis, wall }: Row): Target => ({
    name: "100 CreateVolume at once, 50 ms away",
    unit: "ms",
    limit: 1.2 * calls * latencyMillis / connections + 500,
    measured: wall
  }))
  const gets = burst("ControllerGetVolume").map(({ execs, latencyMillis }): Target => ({
    name: `100 ControllerGetVolume at once, ${latencyMillis} ms away: SSH commands`,
    unit: "commands",
    limit: 5,
    measured: execs
  }))
  return [...creates, ...gets]
}
