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

export const nvmeConnectionsActive = gauge(
  "rds_csi_nvme_connections_active",
  "Staged volumes on this node whose connection carries I/O."
)
/** Label: `state` (`live`, `connecting`, `gone`). */
export const nvmeConnections = gauge(
  "rds_csi_nvme_connections",
  "Staged volumes on this node, by the state of their connection."
)
/** Label: `status`. */
export const nvmeReconnectsTotal = counter(
  "rds_csi_nvme_reconnects_total",
  "Connects of staged volumes whose controller had vanished."
)
export const nvmeOutageDurationSeconds = histogram(
  "rds_csi_nvme_outage_duration_seconds",
  "Time for which a staged volume's connection was seen down, until it was seen up again.",
  [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]
)
/** Label: `problem` (`stale`, `not_mounted`, `no_device`, `read_only`, `failing`). */
export const volumeProblems = gauge(
  "rds_csi_volume_problems",
  "Staged volumes on this node that are connected and not usable, by what is wrong."
)
export const staleMountsDetectedTotal = counter(
  "rds_csi_stale_mounts_detected_total",
  "Times that a staged volume was found to have come back as another device."
)
/** Label: `status`. */
export const staleRecoveriesTotal = counter(
  "rds_csi_stale_recoveries_total",
  "Attempts to mount a volume afresh that had come back as another device."
)
export const orphansCleanedTotal = counter(
  "rds_csi_orphans_cleaned_total",
  "Connections that belonged to no staged volume and were ended."
)

/** Labels: `operation` (`mount`, `unmount`, …), `status`. */
export const mountOperationsTotal = counter("rds_csi_mount_operations_total", "Mounts and unmounts.")

export const hostCommandsLeftTotal = counter(
  "rds_csi_host_commands_left_total",
  "Programs of the host that not even SIGKILL ended, and that were left behind."
)

/** Label: `status`. */
export const attachmentAttachTotal = counter("rds_csi_attachment_attach_total", "ControllerPublishVolume calls.")
/** Label: `status`. */
export const attachmentDetachTotal = counter("rds_csi_attachment_detach_total", "ControllerUnpublishVolume calls.")
/** Label: `reason` (`held`, `full`, `timed_out`, `too_many`, `policy`). */
export const attachmentConflictsTotal = counter(
  "rds_csi_attachment_conflicts_total",
  "Attachments refused because other nodes hold the volume, or may not share it."
)
/** Label: `operation` (`attach`, `attach_secondary`, `detach`, `detach_partial`, `reconcile`). */
export const attachmentOperationDurationSeconds = histogram(
  "rds_csi_attachment_operation_duration_seconds",
  "Duration of successful attachment operations.",
  [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
)
/** Label: `action` (`clear_stale`, `adopt`, `rebuild_record`, `node_watcher_trigger`, `failed`). */
export const attachmentReconcileTotal = counter(
  "rds_csi_attachment_reconcile_total",
  "What comparing the grants with the cluster's attachments led to."
)
export const attachmentGracePeriodUsedTotal = counter(
  "rds_csi_attachment_grace_period_used_total",
  "Grants without an attachment that were given the grace period."
)
export const attachmentStaleClearedTotal = counter(
  "rds_csi_attachment_stale_cleared_total",
  "Grants cleared because their node was no longer attached."
)
export const attachmentStoreConflictsTotal = counter(
  "rds_csi_attachment_store_conflicts_total",
  "Writes of an attachment record that lost to another writer."
)
/** Labels: status = success or failure. Only with `--host-access=holders`. */
export const hostAccessChangesTotal = counter(
  "rds_csi_host_access_changes_total",
  "Changes at the appliance of who may connect to a volume."
)
export const attachmentRebuildDurationSeconds = gauge(
  "rds_csi_attachment_rebuild_duration_seconds",
  "Time from the start of the controller until it knew who holds which volume."
)
/** Label: `state` (`attached`, `migrating`, `timed_out`, `too_many`, `unreadable`). Only the leading replica shows them. */
export const attachmentVolumes = gauge("rds_csi_attachment_volumes", "Volumes that nodes hold, by state.")
/** Label: `state`, as for the volumes. Only the leading replica shows them. */
export const attachmentHolders = gauge("rds_csi_attachment_holders", "Nodes that hold a volume, by the volume's state.")

/** Label: `result` (`success`, `failed`, `timeout`). */
export const migrationMigrationsTotal = counter("rds_csi_migration_migrations_total", "Migrations that ended.")
export const migrationDurationSeconds = histogram(
  "rds_csi_migration_duration_seconds",
  "Time from the attachment of the target to the end of the migration.",
  [15, 30, 60, 90, 120, 180, 300, 600]
)
/** Only the leading replica shows it. */
export const migrationActiveMigrations = gauge(
  "rds_csi_migration_active_migrations",
  "Volumes that two nodes hold, timed out or not."
)
/** Only the leading replica shows it. */
export const migrationRemainingSeconds = gauge(
  "rds_csi_migration_remaining_seconds",
  "Time until the first deadline of a running migration; 0 when none runs."
)

/** Labels: `operation` (`create`, `delete`, `restore`, `clone`), `status`. */
export const snapshotOperationsTotal = counter(
  "rds_csi_snapshot_operations_total",
  "Snapshots cut and deleted, and volumes made of snapshots or volumes. A copy counts each time that it is asked after."
)
/** Label: `operation`. */
export const snapshotOperationDurationSeconds = histogram(
  "rds_csi_snapshot_operation_duration_seconds",
  "Duration of successful operations on snapshots. Of a copy: of one call that asks after it.",
  operationSeconds
)

/** Label: `outcome` (`begun`, `again`, `completed`, `failed`). */
export const copiesTotal = counter(
  "rds_csi_copies_total",
  "Copies of backing files on the appliance: begun, begun again after an interruption, seen complete, and stopped by an error."
)
/** Label: `target` (`snapshot`, `volume`). */
export const copyProgressRatio = gauge(
  "rds_csi_copy_progress_ratio",
  "How far the copy is that was last asked after, from 0 to 1."
)

/** Label: `state` (`referenced`, `untagged`, `other_cluster`, `misplaced`, `kept`, `orphan`, `orphan_unexported`). Of the leader. */
export const orphanVolumes = gauge(
  "rds_csi_orphan_volumes",
  "Volumes on the appliance, by what they are to this cluster."
)
/** Of the leader. */
export const orphanFiles = gauge("rds_csi_orphan_files", "Files named like a volume's image that no disk uses.")
/** Label: `action` (`unexport`, `remove`). */
export const orphanVolumesCleanedTotal = counter(
  "rds_csi_orphan_volumes_cleaned_total",
  "Orphaned volumes that the controller did something about."
)
/** Label: `result` (`complete`, `held`: too many would have gone, `failed`). */
export const orphanPassesTotal = counter("rds_csi_orphan_passes_total", "Looks for orphaned volumes.")
export const orphanLastPassTimestamp = gauge(
  "rds_csi_orphan_last_pass_timestamp_seconds",
  "When orphaned volumes were last looked for to the end, since the Unix epoch."
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

/** Labels: `verb`, `kind`, `code` (HTTP status; `none` without an answer). */
export const kubeRequestsTotal = counter("rds_csi_kube_requests_total", "Requests to the Kubernetes API server.")
/** Label: `verb`. Of a watch: until its first byte. */
export const kubeRequestDurationSeconds = histogram(
  "rds_csi_kube_request_duration_seconds",
  "Time until the Kubernetes API server answered, or did not.",
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
)
/** Label: `kind`. Its age is `time()` less its value: an instant stays true when nothing updates it. */
export const kubeWatchLastContact = gauge(
  "rds_csi_kube_watch_last_contact_timestamp_seconds",
  "When the driver last heard of this kind of object from the API server, since the Unix epoch."
)
/** Label: `kind`. */
export const kubeWatchObjects = gauge("rds_csi_kube_watch_objects", "Objects of this kind that the driver keeps.")
/** Label: `kind`. */
export const kubeRelistsTotal = counter("rds_csi_kube_relists_total", "Times that a kind of object was listed whole.")
/** Label: `reason` of the event. */
export const eventsPostedTotal = counter("rds_csi_events_posted_total", "Kubernetes Events posted.")
/** Label: `cause` (`queue_full`, `refused`, `unavailable`). */
export const eventsDroppedTotal = counter("rds_csi_events_dropped_total", "Kubernetes Events that were given up.")
export const leader = gauge(
  "rds_csi_leader",
  "1 while this replica does the work in the background, 0 while another does."
)

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
