import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { type Adopt, type Command, type Publish, transition, transitions } from "../../src/attachment/Attachment.ts"
import { type AttachmentState, emptyState, type Holder } from "../../src/attachment/AttachmentState.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"

const volumeId = VolumeId.fromName("pvc-00000000-0000-4000-8000-000000000001")

const publish = (nodeId: string, change: Partial<Publish> = {}): Publish => ({
  _tag: "Publish",
  nodeId,
  capability: { accessMode: "SINGLE_NODE_WRITER", accessType: { _tag: "Block" } },
  readonly: false,
  migrationTimeoutSeconds: 300,
  ...change
})
const share = (nodeId: string, migrationTimeoutSeconds = 300): Publish =>
  publish(nodeId, {
    capability: { accessMode: "MULTI_NODE_MULTI_WRITER", accessType: { _tag: "Block" } },
    migrationTimeoutSeconds
  })
const unpublish = (nodeId?: string): Command => ({ _tag: "Unpublish", nodeId: Option.fromUndefinedOr(nodeId) })
const adopt = (nodeId: string, since: number, change: Partial<Adopt> = {}): Adopt => ({
  _tag: "Adopt",
  nodeId,
  accessMode: "MULTI_NODE_MULTI_WRITER",
  readonly: false,
  since,
  migrationTimeoutSeconds: 300,
  ...change
})

/** The migration that begins when the second of two commands lets a second node in. */
const first = { number: 1, startedAt: 1000 }

/** The state after these commands, each a second after the one before; the first at 0. */
const after = (...commands: ReadonlyArray<Command>): AttachmentState =>
  commands.reduce((state, command, index) => {
    const next = transition(volumeId, state, command, index * 1000)
    assert.strictEqual(next._tag, "Write", `command ${index}`)
    return next._tag === "Write" ? next.state : state
  }, emptyState)

const writes = (state: AttachmentState, command: Command, now = 60_000) => {
  const next = transition(volumeId, state, command, now)
  if (next._tag !== "Write") return assert.fail(`${next._tag} instead of Write`)
  assert.strictEqual(next.state.revision, state.revision + 1)
  return next
}

const refusal = (state: AttachmentState, command: Command) => {
  const next = transition(volumeId, state, command, 60_000)
  return next._tag === "Refuse" ? next : assert.fail(`${next._tag} instead of Refuse`)
}

const held = (nodeId: string, since: number, change: Partial<Holder> = {}): Holder => ({
  nodeId,
  accessMode: "MULTI_NODE_MULTI_WRITER",
  readonly: false,
  since,
  adopted: false,
  ...change
})
const running = { number: 1, source: "a", target: "b", startedAt: 1000, deadline: 301_000, timedOut: false }
const ended = { number: 1, source: "a", target: "b", startedAt: 1000, endedAt: 60_000 }

describe("publish", () => {
  it("grants a volume that nobody holds", () => {
    const { facts, state } = writes(emptyState, publish("a", { readonly: true, migrationTimeoutSeconds: 40 }))
    assert.deepStrictEqual(state, {
      ...emptyState,
      revision: 1,
      holders: [held("a", 60_000, { accessMode: "SINGLE_NODE_WRITER", readonly: true })],
      migrationTimeoutSeconds: 40
    })
    assert.deepStrictEqual(facts, [{ _tag: "Attached", volumeId, nodeId: "a" }])
  })

  it("confirms a grant with a write that changes nothing else, so that whoever is about to take it away loses", () => {
    const state = after(publish("a"))
    const next = writes(state, publish("a"))
    assert.deepStrictEqual(next.state, { ...state, revision: 2 })
    assert.isEmpty(next.facts)
  })

  it.each(
    [
      ["SINGLE_NODE_WRITER", publish("b")],
      ["MULTI_NODE_MULTI_WRITER", share("b")]
    ] as const
  )("a single-node volume has one holder: refuses a second node that asks for %s", (_, command) => {
    const { error, facts } = refusal(after(publish("a")), command)
    assert.strictEqual(error._tag, "AttachmentConflict")
    assert.strictEqual(
      error.message,
      `volume ${volumeId} is attached to node a and cannot be attached to node b as well: it becomes free when it is ` +
        "unstaged there and its VolumeAttachment is deleted"
    )
    assert.deepStrictEqual(facts, [{ _tag: "Conflict", volumeId, nodeId: "b", holders: ["a"], reason: "held" }])
  })

  it("refuses a single-node mode beside a node that would share", () => {
    assert.deepInclude(refusal(after(share("a")), publish("b")).facts[0], { reason: "held" })
    assert.deepInclude(refusal(after(share("a"), share("b")), publish("c")).facts[0], { reason: "held" })
  })

  it.each(
    [
      ["mode", publish("a", { capability: { accessMode: "SINGLE_NODE_READER_ONLY", accessType: { _tag: "Block" } } })],
      ["readonly", publish("a", { readonly: true })]
    ] as const
  )("refuses the same node with another %s", (_, command) => {
    const { error, facts } = refusal(after(publish("a")), command)
    assert.strictEqual(error._tag, "AttachmentIncompatible")
    assert.strictEqual(
      error.message,
      `volume ${volumeId} is already attached to node a with access mode SINGLE_NODE_WRITER and readonly=false; asked for ` +
        `${command.capability.accessMode} and readonly=${command.readonly}`
    )
    assert.isEmpty(facts)
  })

  it("refuses to share a file system, whoever holds it", () => {
    const accessType = { _tag: "Mount", fsType: "ext4", mountFlags: [] } as const
    const command = publish("a", { capability: { accessMode: "MULTI_NODE_MULTI_WRITER", accessType } })
    const { error, facts } = refusal(emptyState, command)
    assert.strictEqual(error._tag, "InvalidArgument")
    assert.include(error.message, "volumeMode: Block")
    assert.isEmpty(facts)
  })

  it("begins a migration with the second node that shares", () => {
    const { facts, state } = writes(after(share("a")), share("b", 40))
    assert.deepStrictEqual(state.holders, [held("a", 0), held("b", 60_000)])
    assert.deepStrictEqual(state.migration, {
      number: 1,
      source: "a",
      target: "b",
      startedAt: 60_000,
      deadline: 100_000,
      timedOut: false
    })
    assert.strictEqual(state.migrations, 1)
    assert.deepStrictEqual(facts, [
      { _tag: "Attached", volumeId, nodeId: "b" },
      { _tag: "MigrationStarted", volumeId, source: "a", target: "b", timeoutSeconds: 40 }
    ])
  })

  it("confirms either node of a migration, also after its timeout, and leaves the migration as it is", () => {
    const migrating = after(share("a"), share("b"))
    for (const state of [migrating, writes(migrating, { _tag: "Deadline", of: first }).state]) {
      for (const nodeId of ["a", "b"]) {
        assert.deepStrictEqual(writes(state, share(nodeId)).state, { ...state, revision: state.revision + 1 })
      }
    }
  })

  it("refuses a third node while two migrate, and names both", () => {
    const { error, facts } = refusal(after(share("a"), share("b")), share("c"))
    assert.strictEqual(
      error.message,
      `volume ${volumeId} is attached to nodes a and b and cannot be attached to node c as well: at most two nodes may hold ` +
        "it, for a live migration; try again when one of them has released it"
    )
    assert.deepStrictEqual(facts, [{ _tag: "Conflict", volumeId, nodeId: "c", holders: ["a", "b"], reason: "full" }])
  })

  it("refuses a third node after a timeout, and says what to do", () => {
    const state = after(share("a"), share("b"), { _tag: "Deadline", of: first })
    const { error, facts } = refusal(state, share("c"))
    assert.strictEqual(
      error.message,
      `volume ${volumeId} is attached to nodes a and b and cannot be attached to node c as well: the migration between them ` +
        "did not end in time; delete the pod on the node that should not have the volume"
    )
    assert.deepInclude(facts[0], { reason: "timed_out" })
  })

  it("keeps to what is asked for once it is known, for a holder that was adopted", () => {
    const state = after(adopt("a", 0, { accessMode: "SINGLE_NODE_MULTI_WRITER" }))
    const next = writes(state, publish("a", { readonly: true, migrationTimeoutSeconds: 60 }))
    assert.deepStrictEqual(next.state.holders, [
      held("a", 0, { accessMode: "SINGLE_NODE_WRITER", readonly: true, adopted: false })
    ])
    assert.strictEqual(next.state.migrationTimeoutSeconds, 60)
    assert.strictEqual(refusal(next.state, publish("a")).error._tag, "AttachmentIncompatible")
  })

  it("trap: grace period evicted the live holder: no time that passes lets a second node in", () => {
    const state = after(publish("a"), unpublish("a"), publish("b"))
    for (const now of [2_001, 32_000, 1e12]) {
      assert.strictEqual(transition(volumeId, state, publish("c"), now)._tag, "Refuse")
    }
  })
})

describe("unpublish", () => {
  it("releases the node", () => {
    const { facts, state } = writes(after(publish("a")), unpublish("a"))
    assert.deepStrictEqual(state, { ...emptyState, revision: 2 })
    assert.deepStrictEqual(facts, [{ _tag: "Detached", volumeId, nodeId: "a" }])
  })

  it("has nothing to do for a node that does not hold the volume, or when nobody does", () => {
    assert.strictEqual(transition(volumeId, after(publish("a")), unpublish("b"), 0)._tag, "Keep")
    assert.strictEqual(transition(volumeId, emptyState, unpublish(), 0)._tag, "Keep")
  })

  it("of the source completes the migration, and the target keeps the volume", () => {
    const { facts, state } = writes(after(share("a"), share("b")), unpublish("a"))
    assert.deepStrictEqual(state.holders, [held("b", 1000)])
    assert.isNull(state.migration)
    assert.deepStrictEqual(state.untold, [{ ...ended, result: "completed" }])
    assert.deepStrictEqual(facts, [{ _tag: "Detached", volumeId, nodeId: "a" }])
  })

  it("of the target cancels the migration, and the source keeps the volume", () => {
    const { state } = writes(after(share("a"), share("b")), unpublish("b"))
    assert.deepStrictEqual(state.holders, [held("a", 0)])
    assert.isNull(state.migration)
    assert.deepStrictEqual(state.untold, [{ ...ended, result: "cancelled" }])
  })

  it("of all nodes releases each, and a migration has failed", () => {
    const { facts, state } = writes(after(share("a"), share("b")), unpublish())
    assert.isEmpty(state.holders)
    assert.deepStrictEqual(state.untold, [{ ...ended, result: "cancelled" }])
    assert.deepStrictEqual(facts.map((fact) => fact._tag), ["Detached", "Detached"])
  })

  it("after a timeout ends the migration without a second end", () => {
    const late = after(share("a"), share("b"), { _tag: "Deadline", of: first }, { _tag: "Told", of: first })
    for (const nodeId of ["a", "b"]) {
      const { state } = writes(late, unpublish(nodeId))
      assert.isNull(state.migration)
      assert.isEmpty(state.untold)
    }
  })

  it("lets the next migration begin, with the next number", () => {
    const state = after(share("a"), share("b"), unpublish("a"), share("c"))
    assert.deepStrictEqual(state.migration, {
      number: 2,
      source: "b",
      target: "c",
      startedAt: 3000,
      deadline: 303_000,
      timedOut: false
    })
  })
})

describe("a deadline that has passed", () => {
  it("is recorded and to be told, and takes the volume from nobody", () => {
    const migrating = after(share("a"), share("b"))
    const { facts, state } = writes(migrating, { _tag: "Deadline", of: first })
    assert.deepStrictEqual(state, {
      ...migrating,
      revision: 3,
      migration: { ...running, timedOut: true },
      untold: [{ ...ended, result: "timeout" }]
    })
    assert.isEmpty(facts)
  })

  it("counts once, and only for the migration that it belongs to", () => {
    const migrating = after(share("a"), share("b"))
    const late = writes(migrating, { _tag: "Deadline", of: first }).state
    assert.strictEqual(transition(volumeId, late, { _tag: "Deadline", of: first }, 0)._tag, "Keep")
    for (const  of of[{ ...first, number: 2 }, { ...first, startedAt: 999 }]) {
      assert.strictEqual(transition(volumeId, migrating, { _tag: "Deadline", of }, 0)._tag, "Keep")
    }
    assert.strictEqual(transition(volumeId, emptyState, { _tag: "Deadline", of: first }, 0)._tag, "Keep")
  })
})

describe("an end that is told", () => {
  it("is no longer to be told, and announced", () => {
    const state = after(share("a"), share("b"), unpublish("a"), share("c"), unpublish("c"))
    const next = writes(state, { _tag: "Told", of: first })
    assert.deepStrictEqual(next.state.untold.map((end) => end.number), [2])
    assert.deepStrictEqual(next.facts, [
      { _tag: "MigrationEnded", volumeId, end: { ...ended, endedAt: 2000, result: "completed" } }
    ])
    assert.strictEqual(transition(volumeId, next.state, { _tag: "Told", of: first }, 0)._tag, "Keep")
    for (const  of of[{ ...first, number: 3 }, { ...first, startedAt: 999 }]) {
      assert.strictEqual(transition(volumeId, state, { _tag: "Told", of }, 0)._tag, "Keep")
    }
  })

  it("is given up when eight later ones cannot be told either", () => {
    const moves = Array.from({ length: 9 }, () => [share("b"), unpublish("b")]).flat()
    assert.deepStrictEqual(after(share("a"), ...moves).untold.map((end) => end.number), [2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe("adoption", () => {
  it("makes an attached node a holder, once", () => {
    const { facts, state } = writes(emptyState, adopt("a", 5, { readonly: true, migrationTimeoutSeconds: 40 }))
    assert.deepStrictEqual(state.holders, [held("a", 5, { readonly: true, adopted: true })])
    assert.strictEqual(state.migrationTimeoutSeconds, 40)
    assert.deepStrictEqual(facts, [{ _tag: "Adopted", volumeId, nodeId: "a" }])
    assert.strictEqual(transition(volumeId, state, adopt("a", 9), 0)._tag, "Keep")
  })

  it("trap: restart took the older attachment's time: a migration began with the newer one, whatever the order", () => {
    const expected = { ...running, startedAt: 9000, deadline: 309_000 }
    assert.deepStrictEqual(after(adopt("a", 5000), adopt("b", 9000)).migration, expected)
    assert.deepStrictEqual(after(adopt("b", 9000), adopt("a", 5000)).migration, expected)
    assert.deepStrictEqual(writes(after(adopt("a", 5000)), adopt("b", 9000)).facts.at(-1), {
      _tag: "MigrationStarted",
      volumeId,
      source: "a",
      target: "b",
      timeoutSeconds: 300
    })
  })

  it("keeps holders of the same time in the order in which they were found", () => {
    assert.deepStrictEqual(after(adopt("b", 5), adopt("a", 5)).holders.map((holder) => holder.nodeId), ["b", "a"])
  })

  it("trap: more than two attachments: all are kept, a running migration too, and nobody else gets the volume", () => {
    const state = after(share("a"), share("b"))
    const { facts, state: three } = writes(state, adopt("c", 500))
    assert.deepStrictEqual(three.holders.map((holder) => holder.nodeId), ["a", "c", "b"])
    assert.deepStrictEqual(three.migration, running)
    assert.deepStrictEqual(facts, [
      { _tag: "Adopted", volumeId, nodeId: "c" },
      { _tag: "TooManyHolders", volumeId, holders: ["a", "c", "b"] }
    ])
    for (const nodeId of ["d", "a"]) {
      const { error, facts } = refusal(three, share(nodeId))
      assert.strictEqual(
        error.message,
        `volume ${volumeId} is attached to nodes a, c and b and cannot be attached to node ${nodeId} as well: these are more ` +
          "than may share it already; delete the pods on the nodes that should not have the volume"
      )
      assert.deepInclude(facts[0], { reason: "too_many" })
    }
  })

  it("a single-node volume found on two nodes: both are kept, no migration, and nobody else gets it", () => {
    const single = { accessMode: "SINGLE_NODE_WRITER" } as const
    const state = after(publish("a"), adopt("b", 5, single))
    assert.isNull(state.migration)
    assert.deepInclude(refusal(state, publish("c")).facts[0], { reason: "too_many" })
    assert.deepInclude(refusal(state, publish("a")).facts[0], { reason: "too_many" })
    assert.deepStrictEqual(writes(state, unpublish("b")).state.holders.map((holder) => holder.nodeId), ["a"])
  })

  it("two nodes that are left of too many are a migration since the second came", () => {
    const { facts, state } = writes(after(adopt("a", 5), adopt("b", 6), adopt("c", 7)), unpublish("a"))
    assert.deepInclude(state.migration, { number: 2, source: "b", target: "c", startedAt: 7, timedOut: false })
    assert.deepStrictEqual(state.untold.map(({ number, result }) => [number, result]), [[1, "completed"]])
    assert.strictEqual(facts.at(-1)?._tag, "MigrationStarted")
  })
})

describe("a drop", () => {
  it("takes the grant of that node only", () => {
    const { facts, state } = writes(after(share("a"), share("b")), { _tag: "Drop", nodeId: "a" })
    assert.deepStrictEqual(state.holders, [held("b", 1000)])
    assert.deepStrictEqual(state.untold, [{ ...ended, result: "completed" }])
    assert.deepStrictEqual(facts, [{ _tag: "StaleCleared", volumeId, nodeId: "a" }])
    assert.strictEqual(transition(volumeId, state, { _tag: "Drop", nodeId: "a" }, 0)._tag, "Keep")
  })
})

describe("several commands", () => {
  it("do one after the other what each does, but for those that are refused", () => {
    const { facts, state } = transitions(volumeId, emptyState, [publish("a"), publish("b"), unpublish("a")], 0)
    assert.deepStrictEqual(state, { ...emptyState, revision: 2 })
    assert.deepStrictEqual(facts.map((fact) => fact._tag), ["Attached", "Detached"])
  })
})
