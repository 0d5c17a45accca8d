import { Arbitrary, Schema } from "effect"
import { hasTooMany, nodesOf } from "../../../src/attachment/AttachmentState.ts"
import { Nqn } from "../../../src/volume/Nqn.ts"
import { VolumeId } from "../../../src/volume/VolumeId.ts"
import { faults } from "./ClusterClient.ts"
import { maxSkew } from "./Ledger.ts"
import { attachmentKey } from "./SimulatedCluster.ts"
import { isShared, keyOf, nodes, volumes, World } from "./World.ts"

/** Something that happens, to a volume, a node and a replica of the controller; how much of it is up to `amount`. */
interface Event {
  readonly volume: number
  readonly node: number
  readonly replica: number
  readonly amount: number
}

const happenings: Readonly<Record<string, (world: World, event: Event) => void>> = {
  attach: (world, { node, replica, volume }) => world.attach(volumeAt(volume), nodeAt(node), replica),
  detach: (world, { node, replica, volume }) => world.detach(keyAt(volume, node), replica),
  again: (world, { node, replica, volume }) => world.work(keyAt(volume, node), replica),
  "all again": (world, { replica }) => workAll(world, replica),
  "detach all": (world, { replica, volume }) => world.detachAll(volumeAt(volume), replica),
  cancel: (world, { node, volume }) => world.cancel(keyAt(volume, node)),
  "node gone": (world, { node }) => world.removeNode(nodeAt(node)),
  "node back": (world, { node }) => world.restoreNode(nodeAt(node)),
  taint: (world, { node, replica }) => {
    for (const volumeId of volumes) world.detach(attachmentKey(volumeId, nodeAt(node)), replica)
  },
  forget: (world, { node, volume }) => world.forget(keyAt(volume, node)),
  crash: (world, { replica }) => world.crash(replica),
  start: (world, { replica }) => world.start(replica),
  fault: (world, { amount, replica }) => {
    const fault = faults[amount % faults.length] ?? "refused"
    for (let left = 1 + amount % 3; left > 0; left -= 1) world.replicas[replica]?.client.faults.push(fault)
  },
  partition: (world, { amount, replica }) => world.partition(replica, amount % 2 === 0),
  "lose watches": (world, { replica }) => world.replicas[replica]?.client.loseWatches(),
  lead: (world, { replica }) => world.lead((index) => index === replica),
  "both lead": (world) => world.lead(() => true),
  "nobody leads": (world) => world.lead(() => false),
  skew: (world, { amount, replica }) => world.skew(replica, (amount - 4) * maxSkew / 4),
  pass: (world, { amount }) => world.pass([100, 900, 5_000, 12_000, 20_000, 31_000, 41_000, 61_000][amount] ?? 0, 20),
  late: (world) => world.late.shift()?.(),
  spoil: (world, { amount, volume }) => world.spoil(volumeAt(volume), amount % 2 === 0 ? "Unreadable" : "Unrecorded")
}

/** How often each happens, roughly. */
const weights: Readonly<Record<string, number>> = {
  attach: 10,
  detach: 6,
  again: 4,
  "all again": 3,
  pass: 7,
  fault: 4,
  crash: 2,
  start: 3,
  lead: 2
}
const names = Object.keys(happenings).flatMap((name) => Array.from({ length: weights[name] ?? 1 }, () => name))

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

const step = Schema.Struct({
  happens: upTo(names.length - 1),
  volume: upTo(volumes.length - 1),
  node: upTo(nodes.length - 1),
  replica: upTo(1),
  amount: upTo(7),
  /** Steps that are taken before the next thing happens. */
  steps: upTo(40)
})

const scenario = Schema.Struct({
  seed: upTo(2 ** 31),
  /** A driver that kept no record has attached volumes before. */
  isUpgrade: Schema.Boolean,
  /** The appliance enforces who may connect. */
  enforced: Schema.Boolean,
  steps: Schema.Array(step).check(Schema.isMinLength(1), Schema.isMaxLength(40))
})

/** What happens, in which order and with which interleaving: the same scenario always takes the same course. */
export type Scenario = typeof scenario.Type
export const scenarios = Arbitrary.schema(scenario)

/** Plays the scenario, lets the world come to rest, and answers everything that was not as it must be. */
export const play = ({ enforced, isUpgrade, seed, steps }: Scenario): ReadonlyArray<string> => {
  // Errors are answers here: nobody looks at where they were made.
  Error.stackTraceLimit = 0
  const world = new World(seed, { enforced })
  if (isUpgrade) attachedBefore(world)
  world.start(0)
  world.start(1)
  world.lead((index) => index === 0)
  for (const { happens, steps: count, ...event } of steps) {
    happenings[names[happens] ?? ""]?.(world, event)
    world.run(count)
    if (world.ledger.violations.length > 0) return world.ledger.violations
  }
  return comeToRest(world)
}

/** What happens in the scenario, in words. */
export const told = ({ enforced, isUpgrade, seed, steps }: Scenario): string =>
  [
    `seed ${seed}${isUpgrade ? ", after an upgrade" : ""}${enforced ? ", enforced by the appliance" : ""}`,
    ...steps.map(({ amount, happens, node, replica, steps: count, volume }) =>
      `  ${names[happens]} (volume ${volume}, node n${node}, replica ${replica}, amount ${amount}), then ${count} steps`
    )
  ].join("\n")

const volumeAt = (index: number): VolumeId => volumes[index] ?? VolumeId.fromName("none")
const nodeAt = (index: number): string => nodes[index] ?? "none"
const keyAt = (volume: number, node: number) => attachmentKey(volumeAt(volume), nodeAt(node))

const workAll = (world: World, replica: number) => {
  for (const key of Array.from(world.cluster.attachments.keys())) world.work(key, replica)
}

/** Attachments that were granted by a driver that kept no record; the orchestrator has not noted the last one yet. */
const attachedBefore = (world: World) => {
  const before = [[0, 0, true], [0, 1, true], [2, 0, true], [3, 0, false]] as const
  for (const [volume, node, attached] of before) world.inherit(volumeAt(volume), nodeAt(node), attached)
}

/**
 * Everything is repaired, one replica leads, and the orchestrator tries again until nothing changes any more. Answers what was
 * not as it must be until then, and what is not now.
 */
export const comeToRest = (world: World): ReadonlyArray<string> => {
  for (const [index, replica] of world.replicas.entries()) {
    if (replica?.client.isPartitioned === true) world.crash(index)
    world.start(index)
  }
  for (const { client } of world.running) {
    client.faults = []
    client.loseWatches()
  }
  for (const carryOut of world.late.splice(0)) carryOut()
  world.lead((index) => index === 0)
  for (const seconds of [45, 45, 90, 50]) {
    world.settle()
    for (const attachment of Array.from(world.cluster.attachments.values())) {
      if (attachment.deleting || !attachment.attached) world.work(keyOf(attachment), seconds % 2)
    }
    world.rest(seconds * 1000)
  }
  return [...world.ledger.violations, ...leftOver(world)]
}

/** What must not be, now that the world has come to rest. */
const leftOver = (world: World): ReadonlyArray<string> => [
  ...world.running.flatMap(({ isReady }, index) => isReady ? [] : [`replica ${index} is not ready`]),
  ...world.ledger.untold.map((key) => `migration ${key} ended and nobody was told`),
  ...volumes.flatMap((volumeId) => leftOverOf(world, volumeId))
]

const leftOverOf = (world: World, volumeId: VolumeId): ReadonlyArray<string> => {
  const attachments = world.attachmentsOf(volumeId)
  const record = world.cluster.records.get(volumeId)
  if (record?._tag === "Unreadable") return [`${volumeId}: the record is still unreadable`]
  const { holders, migration } = record?._tag === "Recorded" ? record.state : { holders: [], migration: null }
  const attached = attachments.filter(({ attached }) => attached)
  const stale = holders.filter(({ nodeId }) => attachments.every((attachment) => attachment.nodeId !== nodeId))
  const lost = attached.filter(({ nodeId }) => !nodesOf(holders).includes(nodeId))
  const isFree = holders.length < (isShared(volumeId) ? 2 : 1)
  const refused = attachments.filter(({ attached }) => !attached && isFree)
  return [
    ...attachments.filter(({ deleting }) => deleting).map(({ nodeId }) => `${nodeId} was never released`),
    ...stale.map(({ nodeId }) => `${nodeId} still holds it without an attachment`),
    ...lost.map(({ nodeId }) => `${nodeId} is attached and holds nothing`),
    ...refused.map(({ nodeId }) => `${nodeId} cannot have it although it is free`),
    ...(holders.length === 2 && !hasTooMany(holders) && migration?.timedOut !== true ? ["no deadline passed"] : []),
    ...(world.isBusy(volumeId) ? ["a call was never answered"] : []),
    ...(record?._tag === "Recorded" ? wronglyLetIn(world, volumeId, nodesOf(holders)) : [])
  ].map((problem) => `${volumeId}: ${problem}`)
}

/** The appliance lets in the holders and nobody else; a volume that was open when it was first used, until it is free. */
const wronglyLetIn = ({ cluster: { enforced, limits } }: World, volumeId: VolumeId, holders: ReadonlyArray<string>) => {
  if (!enforced) return []
  const letIn = limits.get(volumeId)
  if (letIn === undefined) return holders.length === 0 ? ["it lets in every host although it is free"] : []
  const wanted = new Set(holders.map(Nqn.host))
  return new Set<string>(letIn).symmetricDifference(wanted).size === 0
    ? []
    : [`it lets in ${letIn.length} hosts, which are not those of [${holders.join(", ")}]`]
}
