/** Why the driver offers a capability of the CSI specification or leaves it out, and which tests show what it offers. */

/** Offered: what it promises, and the test files that show it. */
export interface Offered {
  readonly promise: string
  readonly tests: readonly [string, ...ReadonlyArray<string>]
}

/** Left out: the reason. */
export interface Absent {
  readonly absent: string
}

/** By the names of one enumeration of the specification. */
export type Reasons = Readonly<Record<string, Offered | Absent>>

export const pluginServices: Reasons = {
  CONTROLLER_SERVICE: {
    promise: "By `controller` and `all`; a node plugin alone does not offer it",
    tests: ["test/csi/Identity.test.ts"]
  },
  VOLUME_ACCESSIBILITY_CONSTRAINTS: {
    absent: "Every node reaches the one appliance, so no volume is tied to a part of the cluster"
  },
  GROUP_CONTROLLER_SERVICE: {
    absent: "The appliance cannot take snapshots of several volumes at one moment"
  },
  SNAPSHOT_METADATA_SERVICE: {
    absent: "The appliance does not tell which blocks of an image are in use or have changed"
  }
}

export const volumeExpansion: Reasons = {
  ONLINE: {
    promise: "Volumes grow while they are attached and mounted",
    tests: ["test/csi/Identity.test.ts", "test/csi/node/Expand.test.ts", "test/vm/Life.test.ts"]
  },
  OFFLINE: {
    absent: "ONLINE says more: a volume need not be detached to grow, and grows when it is as well"
  }
}

export const controllerCapabilities: Reasons = {
  CREATE_DELETE_VOLUME: {
    promise: "A name makes one volume, however often it is asked for; nothing foreign is deleted",
    tests: ["test/e2e/Volumes.test.ts", "test/e2e/Crash.test.ts", "test/rds/RemoveVolume.test.ts"]
  },
  PUBLISH_UNPUBLISH_VOLUME: {
    promise: "[The fence](fencing.md): one node at a time, or two for a live migration",
    tests: ["test/attachment/Fencing.test.ts", "test/properties/attachmentModel.test.ts", "test/e2e/Replicas.test.ts"]
  },
  LIST_VOLUMES: {
    promise: "Everything or an error, never a part; a token stays good when its volume is deleted",
    tests: ["test/e2e/Volumes.test.ts", "test/rds/Lookup.test.ts"]
  },
  GET_CAPACITY: {
    promise: "What a new volume of the class can have: free space of its pool less the reserve",
    tests: ["test/e2e/Volumes.test.ts"]
  },
  CREATE_DELETE_SNAPSHOT: {
    promise: "Cut by Btrfs at once, or copied where there is none; of a copy the source must be detached",
    tests: ["test/e2e/Snapshots.test.ts", "test/properties/rds-snapshots.test.ts", "test/vm/Snapshots.test.ts"]
  },
  LIST_SNAPSHOTS: {
    promise: "Everything that was cut, or an error; by source and by id",
    tests: ["test/e2e/Snapshots.test.ts"]
  },
  CLONE_VOLUME: {
    promise: "In the ways of a snapshot, and independent of its source from then on",
    tests: ["test/e2e/Snapshots.test.ts", "test/properties/rds-snapshots.test.ts", "test/vm/Snapshots.test.ts"]
  },
  PUBLISH_READONLY: {
    promise: "Enforced on the node: a read-only mount, or a block device whose kernel refuses writes",
    tests: ["test/csi/node/ReadOnly.test.ts", "test/mount/linux/WriteProtection.test.ts", "test/e2e/Volumes.test.ts"]
  },
  EXPAND_VOLUME: {
    promise: "In exact bytes, never smaller; the node always acts, since its kernel has to look again",
    tests: ["test/e2e/Volumes.test.ts", "test/rds/GrowVolume.test.ts"]
  },
  LIST_VOLUMES_PUBLISHED_NODES: {
    promise: "Every holder of every volume, both of a migration included; `UNAVAILABLE` until all are known",
    tests: [
      "test/attachment/Fencing.test.ts",
      "test/kubernetes/KubernetesAttachmentStore.test.ts",
      "test/e2e/Volumes.test.ts"
    ]
  },
  VOLUME_CONDITION: {
    promise: "Abnormal when the appliance does not export the volume",
    tests: ["test/e2e/Volumes.test.ts"]
  },
  GET_VOLUME: {
    promise: "As ListVolumes has it, for one volume, and as it is now",
    tests: ["test/e2e/Volumes.test.ts", "test/e2e/RoundTrips.test.ts"]
  },
  SINGLE_NODE_MULTI_WRITER: {
    promise: "ReadWriteOnce and ReadWriteOncePod arrive as modes of their own; announced by the node as well",
    tests: ["test/csi/node/Publish.test.ts", "test/volume/AccessMode.test.ts"]
  },
  MODIFY_VOLUME: {
    absent: "What could be changed of a volume (how nodes reconnect, how long a migration may take) is in its volume " +
      "context, which is immutable"
  },
  GET_SNAPSHOT: {
    absent: "Alpha, and no sidecar asks for it; csi-sanity 5.4 takes it for an unknown value and fails"
  }
}

export const nodeCapabilities: Reasons = {
  STAGE_UNSTAGE_VOLUME: {
    promise: "Connects and mounts once; nothing is formatted that is not proven blank",
    tests: ["test/csi/node/Stage.test.ts", "test/csi/node/Unstage.test.ts", "test/csi/node/Model.test.ts"]
  },
  GET_VOLUME_STATS: {
    promise: "Of file systems and block volumes, within a time limit also on a dead mount",
    tests: ["test/csi/node/Stats.test.ts"]
  },
  EXPAND_VOLUME: {
    promise: "Has the kernel look again and the file system fill the device, at any path of the volume",
    tests: ["test/csi/node/Expand.test.ts", "test/vm/Life.test.ts"]
  },
  VOLUME_CONDITION: {
    promise: "Lost devices and connections, mounts that need a pod's restart, file systems out of use",
    tests: ["test/csi/node/Stats.test.ts", "test/csi/node/watch/Health.test.ts"]
  },
  SINGLE_NODE_MULTI_WRITER: {
    promise: "Several targets on the node, and one only in the modes for one writer or reader",
    tests: ["test/csi/node/Publish.test.ts"]
  },
  VOLUME_MOUNT_GROUP: {
    absent: "Every volume has a file system of its own, on which kubelet's fsGroup works"
  }
}
