import { Effect } from "effect"
import { endsTheSame, type Operation } from "./CrashPoints.ts"
import { GiB, quietly, spec } from "./Harness.ts"
import { btrfs, cut, ofSnapshot, ofVolume, snapshotId } from "./SnapshotKit.ts"

const made = (name: string) => `${name}, made of it`

const onBtrfs: ReadonlyArray<Operation> = [
  {
    name: "create in a subvolume",
    prepare: () => Effect.void,
    run: (rds, name) => rds.create(spec(name)),
    // Subvolume, file, item, export.
    changes: [{ matching: "subvolume/add", steps: 4 }],
    execs: 1
  },
  {
    name: "remove with a subvolume",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.remove(spec(name).id),
    // Export, item, file, subvolume.
    changes: [{ matching: "/disk/remove", steps: 4 }],
    execs: 2
  },
  {
    name: "snapshot",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.snapshot(cut(name, name)),
    // Record, subvolume.
    changes: [{ matching: "read-only=yes", steps: 2 }],
    execs: 2,
    named: snapshotId
  },
  {
    name: "remove a snapshot",
    prepare: (rds, _, name) => Effect.andThen(rds.create(spec(name)), rds.snapshot(cut(name, name))),
    run: (rds, name) => rds.removeSnapshot(snapshotId(name)),
    // Subvolume, record.
    changes: [{ matching: "subvolume/remove", steps: 2 }],
    execs: 2,
    named: snapshotId
  },
  {
    name: "restore to a larger volume",
    prepare: (rds, _, name) => Effect.andThen(rds.create(spec(name)), rds.snapshot(cut(name, name))),
    run: (rds, name) => rds.createFrom(spec(made(name), { sizeBytes: 2n * GiB }), ofSnapshot(name)),
    // Record, subvolume; then item, size, export, record.
    changes: [{ matching: "subvolume/add", steps: 2 }, { matching: "/disk/add", steps: 4 }],
    execs: 3,
    named: (name) => spec(made(name)).id
  },
  {
    name: "clone",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.createFrom(spec(made(name)), ofVolume(name)),
    changes: [{ matching: "subvolume/add", steps: 2 }, { matching: "/disk/add", steps: 3 }],
    execs: 3,
    named: (name) => spec(made(name)).id
  }
]

quietly("a connection that is cut at any moment, on a pool with Btrfs", (it) => {
  for (const operation of onBtrfs) {
    it.effect(`${operation.name}: the call itself, or a later process, ends in the same state`, () =>
      endsTheSame(operation, btrfs))
  }
})
