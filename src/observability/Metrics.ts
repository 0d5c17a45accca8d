import { Clock, Effect, Exit, Metric } from "effect"

// Every metric of the driver. Names, labels and buckets that the Go driver had are kept, so dashboards and alerts go on
// working. Names are written in full: nothing adds a prefix when they are rendered. Keep label sets small: each combination
// of values is a series that lives as long as the process.

/** Buckets of operations on volumes and connections, in seconds. */
const operationSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(name, { description })
const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.histogram(name, { description, boundaries })

/** Labels: `method` (`CreateVolume`), `code` (`OK`, `NOT_FOUND`, …). */
export const grpcRequestsTotal = counter("rds_csi_grpc_requests_total", "CSI calls answered.")
/** Label: `method`. */
export const grpcRequestDurationSeconds = histogram(
  "rds_csi_grpc_request_duration_seconds",
  "Time from a CSI call's arrival to its answer.",
  [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
)
/** Label: `method`. */
export const grpcRequestsInFlight = gauge("rds_csi_grpc_requests_in_flight", "CSI calls being worked on.")

/** Labels: `operation` (`stage`, `unstage`, …), `status` (`success`, `failure`). */
export const volumeOperationsTotal = counter("rds_csi_volume_operations_total", "Operations on volumes on this node.")
/** Label: `operation`. */
export const volumeOperationDurationSeconds = histogram(
  "rds_csi_volume_operation_duration_seconds",
  "Duration of successful operations on volumes on this node.",
  operationSeconds
)

/** Label: `status`. */
export const nvmeConnectsTotal = counter("rds_csi_nvme_connects_total", "NVMe/TCP connects asked of the kernel.")
export const nvmeConnectDurationSeconds = histogram(
  "rds_csi_nvme_connect_duration_seconds",
  "Duration of successful NVMe/TCP connects.",
  operationSeconds
)

/** Labels: `operation` (`mount`, `unmount`, …), `status`. */
export const mountOperationsTotal = counter("rds_csi_mount_operations_total", "Mounts and unmounts.")

/** Label: `status`. */
export const attachmentAttachTotal = counter("rds_csi_attachment_attach_total", "ControllerPublishVolume calls.")
/** Label: `status`. */
export const attachmentDetachTotal = counter("rds_csi_attachment_detach_total", "ControllerUnpublishVolume calls.")
export const attachmentConflictsTotal = counter(
  "rds_csi_attachment_conflicts_total",
  "Attachments refused because another node holds the volume."
)
/** Label: `operation` (`attach`, `detach`). */
export const attachmentOperationDurationSeconds = histogram(
  "rds_csi_attachment_operation_duration_seconds",
  "Duration of successful attachment operations.",
  [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
)

/** Label: `address` of the appliance. */
export const rdsConnectionState = gauge(
  "rds_csi_rds_connection_state",
  "1 while the driver is connected to the appliance, 0 while it is not."
)
/** Label: `status`. */
export const rdsReconnectTotal = counter("rds_csi_rds_reconnect_total", "Attempts to reconnect to the appliance.")
export const rdsReconnectDurationSeconds = histogram(
  "rds_csi_rds_reconnect_duration_seconds",
  "Duration of successful reconnects to the appliance.",
  [0.1, 0.5, 1, 2, 5, 10, 30, 60]
)
/** Label: `outcome`, how the exec ended. */
export const rdsSshExecsTotal = counter("rds_csi_rds_ssh_execs_total", "Commands sent to the appliance over SSH.")
export const rdsSshExecDurationSeconds = histogram(
  "rds_csi_rds_ssh_exec_duration_seconds",
  "Duration of commands on the appliance over SSH.",
  [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
)
/** Label: `pool` (mount point). As of the last look at the pool. */
export const rdsPoolSizeBytes = gauge("rds_csi_rds_pool_size_bytes", "Size of the pool.")
/** Label: `pool` (mount point). As of the last look at the pool. */
export const rdsPoolFreeBytes = gauge("rds_csi_rds_pool_free_bytes", "Free space of the pool, without the reserve.")

export const processResidentMemoryBytes = gauge("process_resident_memory_bytes", "Resident memory size.")
export const processStartTimeSeconds = gauge("process_start_time_seconds", "Start time since the Unix epoch.")
export const processOpenFds = gauge("process_open_fds", "Open file descriptors.")
export const eventLoopLagSeconds = gauge(
  "nodejs_eventloop_lag_max_seconds",
  "Longest event loop delay since the last scrape."
)

/** What `measured` records into. */
export interface Measures {
  readonly total: Metric.Counter<number>
  readonly seconds?: Metric.Histogram<number>
  /** Labels of both, besides the counter's `status`. */
  readonly attributes?: Readonly<Record<string, string>>
}

/** Counts the effect as `status="success"` or `"failure"` (an interruption is a failure), and times the successful ones. */
export const measured = ({ total, seconds, attributes }: Measures) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clock.currentTimeNanos, (start) =>
    Effect.onExit(self, (exit) =>
      Effect.gen(function*() {
        const status = Exit.isSuccess(exit) ? "success" : "failure"
        yield* Metric.update(Metric.withAttributes(total, { ...attributes, status }), 1)
        if (seconds === undefined || Exit.isFailure(exit)) return
        yield* Metric.update(
          Metric.withAttributes(seconds, { ...attributes }),
          secondsBetween(start, yield* Clock.currentTimeNanos)
        )
      })))

/** Seconds from one reading of `Clock.currentTimeNanos` to another. */
export const secondsBetween = (start: bigint, end: bigint): number => Number(end - start) / 1e9
