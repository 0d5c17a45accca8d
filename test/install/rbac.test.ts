import { assert, describe, it } from "@effect/vitest"
import { glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"
import { leaseName } from "../../src/kubernetes/LeaderLease.ts"
import * as resources from "../../src/kubernetes/Resources.ts"
import { base, Binding, find, Role, type Rule } from "./Objects.ts"

/** `list storage.k8s.io/csinodes`, for each that the rules allow. */
const allowed = (rules: ReadonlyArray<Rule>): ReadonlyArray<string> =>
  rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group === "" ? "" : `${group}/`}${resource}`))
    )
  )

/** What roles of that name allow, in the cluster and in the driver's namespace. */
const allowedBy = (name: string) => {
  const kinds = ["ClusterRole", "Role"].filter((kind) => base.some((one) => one.kind === kind && one.name === name))
  return [...new Set(kinds.flatMap((kind) => allowed(find(Role, kind, name).rules)))].sort()
}

const verbs = { get: "get", list: "list", watch: "watch", create: "create", patch: "patch", replace: "update" } as const

const known = new Map<string, string>(
  Object.entries(resources).flatMap(([name, value]) => {
    if (typeof value !== "object" || !("plural" in value)) return []
    const group = value.apiVersion.includes("/") ? `${value.apiVersion.split("/")[0]}/` : ""
    return [[name, `${group}${value.plural}`]]
  })
)

/** What a file of the driver asks the API server for: calls of KubeApi, and caches, which list and watch. */
const callsIn = (source: string): ReadonlyArray<string> => [
  ...[...source.matchAll(/\bapi\.(get|list|watch|create|patch|replace)\(\s*(\w+)/g)].flatMap(
    ([, verb = "", name = ""]) => {
      const resource = known.get(name)
      return resource === undefined ? [] : [`${verbs[verbOf(verb)]} ${resource}`]
    }
  ),
  ...[...source.matchAll(/makeWatchCache\(\{\s*resource: (\w+)/g)].flatMap(([, name = ""]) => {
    const resource = known.get(name)
    return resource === undefined ? [] : [`list ${resource}`, `watch ${resource}`]
  })
]

const verbOf = (text: string): keyof typeof verbs => {
  const verb = Object.keys(verbs).find((one): one is keyof typeof verbs => one === text)
  return verb ?? assert.fail(`no verb is called ${text}`)
}

/** Files of which only the node plugin makes use. */
const ofNodes = new Set(["NodeEventRecorder.ts"])
/** Files of which both do. */
const ofBoth = new Set(["EventRecorder.ts", "EventDelivery.ts"])

const callsOf = async (concerns: (file: string) => boolean): Promise<ReadonlyArray<string>> => {
  const files = await Array.fromAsync(glob("*.ts", { cwd: join(root, "src/kubernetes") }))
  const sources = await Promise.all(
    files.filter(concerns).map((file) => readFile(join(root, "src/kubernetes", file), "utf8"))
  )
  return [...new Set(sources.flatMap(callsIn))].sort()
}

describe("the driver's own roles allow what src/kubernetes calls, and nothing else:", () => {
  it("in the controller", async () => {
    const calls = await callsOf((file) => !ofNodes.has(file))
    assert.isAbove(calls.length, 15)
    assert.deepStrictEqual(allowedBy("rds-csi-controller-driver"), calls)
  })

  it("in the node plugin", async () => {
    const calls = await callsOf((file) => ofNodes.has(file) || ofBoth.has(file))
    assert.deepStrictEqual(allowedBy("rds-csi-node-driver"), calls)
  })

  it("on one Lease, by its name", () => {
    const { rules } = find(Role, "Role", "rds-csi-controller-driver")
    assert.deepStrictEqual(rules.flatMap(({ resourceNames }) => resourceNames ?? []), [leaseName("rds.csi.srvlab.io")])
  })
})

/** What is read by a cache that watches it. */
const watched = (...names: ReadonlyArray<string>) =>
  names.flatMap((name) => ["list", "watch"].map((verb) => `${verb} ${name}`))
const events = ["create", "patch"].map((verb) => `${verb} events`)
const lease = ["create", "get", "update"].map((verb) => `${verb} coordination.k8s.io/leases`)
const change = (name: string, ...verbs: ReadonlyArray<string>) => verbs.map((verb) => `${verb} ${name}`)
const [storage, snapshot] = ["storage.k8s.io", "snapshot.storage.k8s.io"]

/**
 * The rbac.yaml of each sidecar's release, less what the comments of the roles name: what it has been seen to use under a real API
 * server (test/cluster/Permissions.test.ts).
 */
const sidecars: Readonly<Record<string, ReadonlyArray<string>>> = {
  provisioner: [
    ...watched("persistentvolumes", "persistentvolumeclaims", `${storage}/storageclasses`),
    ...watched(`${storage}/volumeattachments`, `${snapshot}/volumesnapshots`),
    ...change("persistentvolumes", "get", "create", "patch", "delete"),
    ...change("persistentvolumeclaims", "update"),
    ...change(`${snapshot}/volumesnapshots`, "get", "update"),
    `get ${snapshot}/volumesnapshotcontents`,
    ...events,
    ...lease
  ],
  attacher: [
    ...watched("persistentvolumes", `${storage}/csinodes`, `${storage}/volumeattachments`),
    ...change("persistentvolumes", "patch"),
    ...change(`${storage}/volumeattachments`, "patch"),
    ...change(`${storage}/volumeattachments/status`, "patch"),
    // Its release forgets them; client-go tells of a new leader by one.
    ...events,
    ...lease
  ],
  resizer: [
    ...watched("persistentvolumes", "persistentvolumeclaims"),
    ...change("persistentvolumes", "patch"),
    ...change("persistentvolumeclaims/status", "patch"),
    ...events,
    ...lease
  ],
  snapshotter: [
    ...watched(`${snapshot}/volumesnapshotclasses`, `${snapshot}/volumesnapshotcontents`),
    ...change(`${snapshot}/volumesnapshotcontents`, "get", "patch"),
    ...change(`${snapshot}/volumesnapshotcontents/status`, "update", "patch"),
    ...events,
    ...lease
  ]
}

describe("the sidecars' roles allow what their releases document and this driver gives them cause for:", () => {
  it.each(Object.entries(sidecars))("csi-%s", (name, documented) => {
    assert.deepStrictEqual(allowedBy(`rds-csi-controller-${name}`), [...documented].sort())
  })

  it("a role for each container that calls the API server", () => {
    const roles = base.filter(({ kind }) => kind === "ClusterRole").map(({ name }) => name)
    const expected = ["driver", ...Object.keys(sidecars)].map((name) => `rds-csi-controller-${name}`)
    assert.sameMembers(roles, [...expected, "rds-csi-node-driver"])
  })
})

describe("no role", () => {
  const rules = base.filter(({ kind }) => kind.endsWith("Role")).flatMap(({ kind, name }) =>
    find(Role, kind, name).rules
  )

  it("has a wildcard, reads a secret, or lets its holder become more than it is", () => {
    assert.isAbove(rules.length, 20)
    for (const { apiGroups, resources, verbs } of rules) {
      for (const word of [...apiGroups, ...resources, ...verbs]) assert.notInclude(word, "*")
      for (const resource of ["secrets", "pods/exec", "nodes/proxy", "serviceaccounts/token"]) {
        assert.notInclude(resources, resource)
      }
      for (const verb of ["escalate", "bind", "impersonate", "deletecollection"]) assert.notInclude(verbs, verb)
    }
  })

  it("is without a binding, or bound to anybody but its component", () => {
    for (const { kind, name } of base.filter(({ kind }) => kind.endsWith("Role"))) {
      const { roleRef, subjects } = find(Binding, `${kind}Binding`, name)
      assert.deepStrictEqual(roleRef, { kind, name })
      const component = name.startsWith("rds-csi-node") ? "node" : "controller"
      assert.deepStrictEqual(subjects, [
        { kind: "ServiceAccount", name: `rds-csi-${component}`, namespace: "rds-csi" }
      ])
    }
  })
})
