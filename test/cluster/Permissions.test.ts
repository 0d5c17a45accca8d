import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { makeRawApi } from "../support/kubernetes/RawApi.ts"
import { driverNamespace } from "./support/Accounts.ts"
import { auditedRequests, permission } from "./support/Audit.ts"
import { plane } from "./support/Cluster.ts"

const Roles = Schema.Struct({
  items: Schema.Array(Schema.Struct({
    metadata: Schema.Struct({ name: Schema.String }),
    rules: Schema.NullOr(Schema.Array(Schema.Struct({
      apiGroups: Schema.optionalKey(Schema.Array(Schema.String)),
      resources: Schema.optionalKey(Schema.Array(Schema.String)),
      verbs: Schema.Array(Schema.String)
    })))
  }))
})

const rbac = "/apis/rbac.authorization.k8s.io/v1"
const byAccount = (all: ReadonlyArray<{ readonly account: string; readonly permission: string }>) =>
  [...new Set(all.map((one) => `${one.account}: ${one.permission}`))].toSorted()

/** What the shipped roles grant; each has an account of its name here, which has it alone. */
const granted = Effect.fnUntraced(function*(kubeconfig: string) {
  const raw = yield* makeRawApi(kubeconfig)
  const answers = yield* Effect.forEach(
    [`${rbac}/clusterroles`, `${rbac}/namespaces/${driverNamespace}/roles`],
    (path) => Effect.flatMap(raw("GET", path), Schema.decodeUnknownEffect(Roles))
  )
  return answers.flatMap(({ items }) => items).flatMap(({ metadata: { name: account }, rules }) =>
    account.startsWith("rds-csi-")
      ? (rules ?? []).flatMap(({ apiGroups = [], resources = [], verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) =>
            verbs.map((verb) => ({ account, permission: permission(verb, resource, group) }))
          )
        )
      )
      : []
  )
})

/**
 * What stands for another verb: informers list where the API server cannot stream what there is, and events are counted when
 * they repeat, which is luck.
 */
const impliedBy = (grant: string) =>
  grant.includes(": list ") ? grant.replace(": list ", ": watch ") : grant.replace(": patch events", ": create events")

/** What is granted, and what these tests cannot bring about, with the reason. */
const excepted: Readonly<Record<string, string>> = Object.fromEntries(
  ["get persistentvolumes", "create events", "patch events"].map((permission) => [
    `rds-csi-node-driver: ${permission}`,
    "there is no kubelet that would call a node plugin; test/install/rbac.test.ts compares its role with its code"
  ])
)

// They look back on what the other files have made the components do: these run before.
describe.skipIf(plane === undefined)("permissions of the shipped roles", () => {
  layer(NodeServices.layer, { excludeTestServices: true })((it) => {
    it.effect("nothing is asked for that is not granted", () =>
      Effect.gen(function*() {
        const requests = yield* auditedRequests(plane?.directory ?? "")
        // An API server that has just started refuses what it has not read the roles for yet.
        const grants = new Set(byAccount(yield* granted(plane?.kubeconfig ?? "")))
        const refused = byAccount(requests.filter(({ allowed }) => !allowed))
        assert.deepStrictEqual(refused.filter((one) => !grants.has(one)), [])
      }))

    it.effect("nothing is granted that is never used", () =>
      Effect.gen(function*() {
        const requests = yield* auditedRequests(plane?.directory ?? "")
        const used = new Set(byAccount(requests))
        const grants = byAccount(yield* granted(plane?.kubeconfig ?? ""))
        assert.isNotEmpty(grants)
        const unused = grants.filter((grant) => !used.has(grant) && !used.has(impliedBy(grant)))
        assert.deepStrictEqual(unused, Object.keys(excepted).toSorted())
      }))
  })
})
