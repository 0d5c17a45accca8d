import { assert, describe, it } from "@effect/vitest"
import { faults } from "../attachment/simulation/ClusterClient.ts"
import { comeToRest } from "../attachment/simulation/Scenario.ts"
import { attachmentKey } from "../attachment/simulation/SimulatedCluster.ts"
import { nodes, volumes, World } from "../attachment/simulation/World.ts"
import { each } from "../support/Thorough.ts"

const [shared, , single] = volumes
const [source, target, other] = nodes

/** Something that is done to a world in which everything works, after something else has been done to it. */
interface Act {
  readonly before?: (world: World) => void
  readonly act: (world: World) => void
}

const attached = (world: World) => {
  world.attach(single, source, 0)
  world.settle()
}
const migrating = (world: World) => {
  world.attach(shared, source, 0)
  world.settle()
  world.attach(shared, target, 0)
  world.settle()
}
const timedOut = (world: World) => {
  migrating(world)
  world.rest(41_000)
}

const acts: Readonly<Record<string, Act>> = {
  "start with attachments of a driver that kept no record": {
    act: (world) => {
      world.inherit(single, source, true)
      world.inherit(shared, source, true)
      world.inherit(shared, target, false)
      startBoth(world)
    }
  },
  publish: { act: attached },
  "publish again": { before: attached, act: (world) => world.work(attachmentKey(single, source), 0) },
  "publish to a second node, refused": { before: attached, act: (world) => world.attach(single, target, 0) },
  "publish to a second node, shared": {
    before: (world) => world.attach(shared, source, 0),
    act: (world) => world.attach(shared, target, 0)
  },
  "publish to a third node, refused": { before: migrating, act: (world) => world.attach(shared, other, 0) },
  "publish to a third node after a timeout, refused": {
    before: timedOut,
    act: (world) => world.attach(shared, other, 0)
  },
  unpublish: { before: attached, act: (world) => world.detach(attachmentKey(single, source), 0) },
  "unpublish while another node asks": {
    before: attached,
    act: (world) => {
      world.detach(attachmentKey(single, source), 0)
      world.attach(single, target, 0)
    }
  },
  "unpublish from the source": {
    before: migrating,
    act: (world) => world.detach(attachmentKey(shared, source), 0)
  },
  "unpublish from the target": {
    before: migrating,
    act: (world) => world.detach(attachmentKey(shared, target), 0)
  },
  "unpublish from all nodes": { before: migrating, act: (world) => world.detachAll(shared, 0) },
  "unpublish from the source after a timeout": {
    before: timedOut,
    act: (world) => world.detach(attachmentKey(shared, source), 0)
  },
  timeout: { before: migrating, act: (world) => world.rest(41_000) },
  "timeout while the source leaves": {
    before: migrating,
    act: (world) => {
      world.pass(39_999, 0)
      world.detach(attachmentKey(shared, source), 1)
      world.rest(2_000)
    }
  },
  "reconcile a grant whose attachment is gone": {
    before: attached,
    act: (world) => {
      world.forget(attachmentKey(single, source))
      world.rest(90_000)
    }
  },
  "reconcile a grant whose attachment and node are gone": {
    before: migrating,
    act: (world) => {
      world.removeNode(source)
      world.forget(attachmentKey(shared, source))
      world.rest(90_000)
    }
  },
  "reconcile an unreadable record": {
    before: migrating,
    act: (world) => {
      world.spoil(shared, "Unreadable")
      world.attach(shared, other, 0)
      world.rest(90_000)
    }
  },
  "reconcile a record that was removed": {
    before: attached,
    act: (world) => {
      world.spoil(single, "Unrecorded")
      world.attach(single, target, 0)
      world.rest(90_000)
    }
  }
}

const startBoth = (world: World) => {
  world.start(0)
  world.start(1)
  world.lead((index) => index === 0)
}

/** Does the act in a new world, always the same one, and answers that world. */
const perform = ({ act, before }: Act, disturb: (world: World) => void): World => {
  Error.stackTraceLimit = 0
  // With every step that there can be.
  const world = new World(1, { enforced: true })
  if (before !== undefined) {
    startBoth(world)
    world.settle()
    before(world)
    world.settle()
  }
  disturb(world)
  act(world)
  world.settle()
  return world
}

/** How many steps and requests of the first replica the act takes when nothing disturbs it. */
const measure = (act: Act) => {
  let steps = 0
  let requestsBefore = 0
  const world = perform(act, (world) => {
    requestsBefore = world.replicas[0]?.client.requests ?? 0
    world.onStep = () => {
      steps += 1
    }
  })
  return { steps, requests: (world.replicas[0]?.client.requests ?? 0) - requestsBefore }
}

/** Kills the first replica before the step with this number; `then` says how it goes on. */
const crashAt = (step: number, then: (world: World) => void) => (world: World) => {
  let left = step
  world.onStep = () => {
    left -= 1
    if (left !== -1) return
    world.crash(0)
    then(world)
  }
}

const faultsAt = (request: number) => faults.map((fault) => ({ request, fault }))

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

describe("whatever goes wrong, and wherever: no two writers, no holder lost, one end for each migration", () => {
  it.each(Object.entries(acts))("%s", (_, act) => {
    const { requests, steps } = measure(act)
    assert.isAbove(steps, 0)
    for (const step of each(5, upTo(steps))) {
      const restarted = perform(act, crashAt(step, startBoth))
      assert.isEmpty(comeToRest(restarted), `killed before step ${step} and restarted`)
      const replaced = perform(act, crashAt(step, (world) => world.lead((index) => index === 1)))
      assert.isEmpty(comeToRest(replaced), `killed before step ${step}, and the other replica took over`)
    }
    // Of four faults each third: all of them come up.
    for (const { fault, request } of each(5, upTo(requests).flatMap(faultsAt))) {
      const world = perform(act, ({ replicas: [replica] }) => {
        replica?.client.faults.push(...upTo(request).map(() => undefined), fault)
      })
      assert.isEmpty(comeToRest(world), `request ${request}: ${fault}`)
    }
  })
})
