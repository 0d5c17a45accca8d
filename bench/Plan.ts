/** So many calls, of which so many are open at any time. */
export interface Load {
  readonly inFlight: number
  readonly calls: number
}

/** What a run measures. */
export interface Plan {
  /** How far away the appliance is, and the loads that the controller is put under there. */
  readonly appliances: ReadonlyArray<{ readonly latencyMillis: number; readonly loads: ReadonlyArray<Load> }>
  /** The loads that the node plugin is put under, which does not talk to the appliance. */
  readonly nodeLoads: ReadonlyArray<Load>
  /** Whether each process has to answer 1 000 RPCs first, and its memory is measured then. */
  readonly weighs: boolean
  /** Starts of controller and of node plugin that are timed. */
  readonly starts: number
  /** Whether figures that depend on how fast, how busy and how large the machine is decide the outcome. */
  readonly judgesMachine: boolean
}

const loads = (alone: number, some: number, many: number): ReadonlyArray<Load> => [
  { inFlight: 1, calls: alone },
  { inFlight: 16, calls: some },
  { inFlight: 100, calls: many }
]

/** Every figure that has a target, in under four minutes. */
export const full: Plan = {
  weighs: true,
  starts: 9,
  nodeLoads: loads(30, 64, 100),
  appliances: [
    { latencyMillis: 0, loads: loads(50, 64, 100) },
    { latencyMillis: 50, loads: loads(20, 48, 100) },
    { latencyMillis: 200, loads: loads(5, 32, 100) }
  ],
  judgesMachine: true
}

/** A look whether everything still runs and costs the round trips it should, in a few seconds. */
export const smoke: Plan = {
  weighs: false,
  starts: 1,
  nodeLoads: loads(3, 16, 16),
  appliances: [{ latencyMillis: 5, loads: loads(3, 16, 100) }],
  judgesMachine: false
}
