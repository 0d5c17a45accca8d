import { Effect } from "effect"
import { endsTheSame, type Operation } from "./CrashPoints.ts"
import { base, GiB, path, quietly, spec } from "./Harness.ts"

const nothing = () => Effect.void
const elsewhere = path(`${base}/fast lane`)

const operations: ReadonlyArray<Operation> = [
  {
    name: "create",
    prepare: nothing,
    run: (rds, name) => rds.create(spec(name)),
    changes: [{ matching: "/disk/add", steps: 2 }],
    execs: 1
  },
  {
    name: "create in a new directory",
    prepare: nothing,
    run: (rds, name) => rds.create(spec(name, { directory: path(`${base}/${spec(name).id}/deep`) })),
    changes: [{ matching: "type=directory", steps: 6 }],
    execs: 3
  },
  {
    name: "create over a smaller leftover",
    prepare: (rds, simulator, name) =>
      Effect.flatMap(rds.create(spec(name)), ({ slot }) => simulator.run(`/disk remove ${slot}`)),
    run: (rds, name) => rds.create(spec(name, { sizeBytes: 2n * GiB })),
    changes: [{ matching: "size<", steps: 3 }],
    execs: 3
  },
  {
    name: "create of what is not exported",
    prepare: (rds, simulator, name) =>
      Effect.flatMap(rds.create(spec(name)), ({ slot }) => simulator.run(`/disk set ${slot} nvme-tcp-export=no`)),
    run: (rds, name) => rds.create(spec(name)),
    changes: [{ matching: "/disk/set", steps: 1 }],
    execs: 1
  },
  {
    name: "grow",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.grow(spec(name).id, 7n * GiB),
    changes: [{ matching: "/disk/set", steps: 1 }],
    execs: 1
  },
  {
    name: "remove",
    prepare: (rds, _, name) => rds.create(spec(name)),
    run: (rds, name) => rds.remove(spec(name).id),
    changes: [{ matching: "/disk/remove", steps: 3 }],
    execs: 2
  },
  {
    name: "remove in another directory",
    prepare: (rds, _, name) => rds.create(spec(name, { directory: elsewhere })),
    run: (rds, name) => rds.remove(spec(name).id),
    changes: [{ matching: "/disk/remove", steps: 5 }],
    execs: 2
  }
]

quietly("a connection that is cut at any moment", (it) => {
  for (const operation of operations) {
    it.effect(`${operation.name}: the call itself, or a later process, ends in the same state`, () =>
      endsTheSame(operation))
  }
})
