/** The generated parts of docs/conformance.md. */
import type { DescEnum } from "@bufbuild/protobuf"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { controllerGetCapabilities } from "../../src/csi/controller/Capabilities.ts"
import {
  ControllerServiceCapability_RPC_TypeSchema,
  NodeServiceCapability_RPC_TypeSchema,
  PluginCapability_Service_TypeSchema,
  PluginCapability_VolumeExpansion_TypeSchema
} from "../../src/csi/gen/csi_pb.ts"
import { pluginCapabilities } from "../../src/csi/Identity.ts"
import { nodeGetCapabilities } from "../../src/csi/node/Info.ts"
import { root } from "../run.ts"
import {
  controllerCapabilities,
  nodeCapabilities,
  pluginServices,
  type Reasons,
  volumeExpansion
} from "./capabilities.ts"
import { code, table } from "./markdown.ts"

/** An enumeration of capabilities, those of its values that the driver announces, and why. */
export interface Announced {
  readonly title: string
  readonly values: DescEnum
  readonly offered: ReadonlySet<number>
  readonly reasons: Reasons
}

/**
 * What is wrong with the reasons: a value of the specification without one or with more than it has, one that is offered and
 * explained as left out or the other way round, and tests that are not there.
 */
export const problemsOf = ({ offered, reasons, title, values }: Announced): ReadonlyArray<string> => {
  const known = values.values.filter(({ number }) => number !== 0)
  const names = known.map(({ name }) => name)
  return [
    ...Object.keys(reasons).filter((name) => !names.includes(name)).map((name) =>
      `${name} is not in ${values.typeName}`
    ),
    ...known.flatMap(({ name, number }) => {
      const reason = reasons[name]
      if (reason === undefined) return [`${name} has no row`]
      const isOffered = offered.has(number)
      if ("absent" in reason) return isOffered ? [`${name} is offered, and its row says why not`] : []
      const missing = reason.tests.filter((test) => !existsSync(join(root, test)))
      return [
        ...(isOffered ? [] : [`${name} is not offered, and its row says what it promises`]),
        ...missing.map((test) => `${name} names ${test}, which is not there`)
      ]
    })
  ].map((problem) => `${title}: ${problem}`)
}

const tableOf = ({ offered, reasons, values }: Announced): string =>
  table(
    ["Capability", "Number", "Offered", "What it promises, or why not", "Shown by"],
    values.values.filter(({ number }) => number !== 0).map(({ name, number }) => {
      const reason = reasons[name]
      if (reason === undefined) return [code(name), String(number)]
      const [why, tests] = "absent" in reason ? [reason.absent, []] : [reason.promise, reason.tests]
      return [code(name), String(number), offered.has(number) ? "yes" : "no", why, tests.map(code).join(", ")]
    })
  )

/** The tables of all capabilities; fails when a row does not fit the code, the specification or the tests. */
export const capabilityTables: Effect.Effect<string> = Effect.gen(function*() {
  const all = yield* announced
  const problems = all.flatMap(problemsOf)
  if (problems.length > 0) {
    return yield* Effect.die(new Error(["scripts/docs/capabilities.ts:", ...problems].join("\n")))
  }
  return all.map((one) => `## ${one.title}\n\n${tableOf(one)}`).join("\n\n")
})

/** What the programs behind the RPCs answer now. */
const announced: Effect.Effect<ReadonlyArray<Announced>> = Effect.gen(function*() {
  const controller = yield* controllerGetCapabilities()
  const node = yield* nodeGetCapabilities()
  const plugin = pluginCapabilities({ controller: true })
  const ofPlugin = (wanted: "service" | "volumeExpansion") =>
    new Set(plugin.flatMap(({ type }): ReadonlyArray<number> => type.case === wanted ? [type.value.type] : []))
  return [
    {
      title: "Plugin: services",
      values: PluginCapability_Service_TypeSchema,
      offered: ofPlugin("service"),
      reasons: pluginServices
    },
    {
      title: "Plugin: volume expansion",
      values: PluginCapability_VolumeExpansion_TypeSchema,
      offered: ofPlugin("volumeExpansion"),
      reasons: volumeExpansion
    },
    {
      title: "Controller",
      values: ControllerServiceCapability_RPC_TypeSchema,
      offered: new Set(controller.capabilities.map(({ type }) => type.value.type)),
      reasons: controllerCapabilities
    },
    {
      title: "Node",
      values: NodeServiceCapability_RPC_TypeSchema,
      offered: new Set(node.capabilities.map(({ type }) => type.value.type)),
      reasons: nodeCapabilities
    }
  ]
})
