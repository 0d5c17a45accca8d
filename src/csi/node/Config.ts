import type { Duration } from "effect"

/** What the Node service is started with. */
export interface NodeConfig {
  /** The Kubernetes node name, as the CO has it; the host NQN is derived from it. */
  readonly nodeId: string
  /** How many volumes the CO may place on this node; 0 leaves it to the CO (CSI spec, NodeGetInfoResponse). */
  readonly maxVolumes: number
  /** How long a connected volume may take to show its block device, or its new size, before the call is given up. */
  readonly deviceTimeout: Duration.Duration
}
