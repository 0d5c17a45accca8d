import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Schema } from "effect"
import { loadAll } from "js-yaml"
import { join } from "node:path"
import { examples, overlays } from "../../scripts/manifests/render.ts"
import { provideSchemas } from "../../scripts/manifests/schemas.ts"
import { provideTools } from "../../scripts/manifests/tools.ts"
import { root } from "../../scripts/run.ts"
import { makeRawApi } from "../support/kubernetes/RawApi.ts"
import { plane } from "./support/Cluster.ts"
import { startControlPlane } from "./support/ControlPlane.ts"
import { holds } from "./support/Eventually.ts"
import { commandsOf, kubectl, shell } from "./support/Kubectl.ts"
import { listOf } from "./support/Objects.ts"
import { prepareCluster } from "./support/Prepare.ts"

const Named = listOf(Schema.Struct({ metadata: Schema.Struct({ name: Schema.String }) }))
const Workload = Schema.Struct({
  spec: Schema.Struct({
    template: Schema.Struct({ metadata: Schema.JsonObject, spec: Schema.JsonObject })
  })
})
const Bindings = listOf(Schema.Struct({
  metadata: Schema.Struct({ name: Schema.String }),
  subjects: Schema.optionalKey(
    Schema.Array(Schema.Struct({ name: Schema.String, namespace: Schema.optionalKey(Schema.String) }))
  )
}))

const start = Effect.gen(function*() {
  if (plane === undefined) return yield* Effect.die("there is no control plane")
  const files = yield* FileSystem.FileSystem
  const own = yield* startControlPlane(plane.programs)
  yield* prepareCluster(own)
  // As OpenShift and the Prometheus Operator would.
  const definitions = join(yield* Effect.promise(provideSchemas), "definitions")
  yield* kubectl(own, "apply", "--server-side", "--filename", definitions)
  yield* kubectl(own, "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
  const { helm } = yield* Effect.promise(provideTools)
  // As somebody's who follows the documentation: a checkout, a key, and a kustomization made of the example.
  const directory = yield* files.makeTempDirectoryScoped({ prefix: "rds-csi-install-" })
  for (const folder of ["manifests", "charts"]) yield* files.symlink(join(root, folder), join(directory, folder))
  yield* files.symlink(join(root, examples.kustomization), join(directory, "my-cluster"))
  for (const file of ["key", "host-key"]) yield* files.writeFileString(join(directory, file), `a ${file}\n`)
  const homes = Object.fromEntries(
    ["CACHE", "CONFIG", "DATA"].map((name) => [`HELM_${name}_HOME`, join(directory, "helm", name)])
  )
  const read = (page: string) => files.readFileString(join(root, `docs/${page}.md`))
  const page = yield* read("install")
  const [uninstall] = /kubectl delete -k my-cluster[^\n`]*/.exec(yield* read("uninstall")) ?? []
  const raw = yield* makeRawApi(own.kubeconfig)
  return {
    raw,
    read: <A, I>(schema: Schema.Codec<A, I>, path: string) =>
      Effect.flatMap(raw("GET", path), Schema.decodeUnknownEffect(schema)),
    kubectl: (...args: ReadonlyArray<string>) => kubectl(own, ...args),
    uninstall: uninstall ?? assert.fail("there is no kubectl delete -k"),
    commands: (program: "kubectl" | "helm") => commandsOf(page, 4, program),
    shell: (line: string) => shell(own, line, { directory, env: { HELM: helm, ...homes } }),
    /** A file with these objects. */
    written: (name: string, items: ReadonlyArray<unknown>) => {
      const file = join(directory, `${name}.json`)
      return Effect.as(files.writeFileString(file, JSON.stringify({ apiVersion: "v1", kind: "List", items })), file)
    }
  }
})

/** A control plane of its own, in which nobody has installed anything. */
class NewCluster extends Context.Service<NewCluster, Effect.Success<typeof start>>()("test/cluster/NewCluster") {
  static readonly layer = Layer.effect(NewCluster, start).pipe(Layer.provideMerge(NodeServices.layer))
}

/** Waits until the Deployment of this name has a pod: everything that admits pods has let it in. */
const hasPod = Effect.fnUntraced(function*(namespace: string, deployment: string) {
  const { read } = yield* NewCluster
  yield* holds(
    `${deployment} has no pod`,
    Effect.map(
      read(Named, `/api/v1/namespaces/${namespace}/pods`),
      ({ items }) => items.some(({ metadata }) => metadata.name.startsWith(`${deployment}-`))
    )
  )
})

/** Asks whether a pod of this DaemonSet would be let in. There is nobody who would make one. */
const wouldHavePods = Effect.fnUntraced(function*(namespace: string, daemonSet: string) {
  const { raw, read } = yield* NewCluster
  const { spec } = yield* read(Workload, `/apis/apps/v1/namespaces/${namespace}/daemonsets/${daemonSet}`)
  const { labels = {} } = spec.template.metadata
  yield* raw("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "would-be", labels },
    spec: spec.template.spec
  })
})

const folders = (await overlays()).map(({ folder }) => folder)

describe.skipIf(plane === undefined)("a new cluster", () => {
  layer(NewCluster.layer, { excludeTestServices: true, timeout: "3 minutes" })((it) => {
    it.effect("has a namespace and the key, by the commands of docs/install.md", () =>
      Effect.gen(function*() {
        const { commands, shell } = yield* NewCluster
        const first = commands("kubectl").filter((line) => !/ apply -k | rollout | port-forward /.test(line))
        assert.lengthOf(first, 2)
        yield* Effect.forEach(first, shell, { discard: true })
      }))

    it.effect.each(folders)("takes %s", (folder) =>
      Effect.gen(function*() {
        const { kubectl, written } = yield* NewCluster
        const objects = loadAll(yield* kubectl("kustomize", folder))
        assert.isAtLeast(objects.length, 20)
        const file = yield* written(folder.replaceAll("/", "_"), objects)
        yield* kubectl("apply", "--server-side", "--dry-run=server", "--filename", file)
      }))

    it.effect("takes the kustomization of docs/install.md, and lets its pods in, and is rid of it again", () =>
      Effect.gen(function*() {
        const { commands, shell, uninstall } = yield* NewCluster
        const [apply] = commands("kubectl").filter((line) => line.includes(" apply -k "))
        yield* shell(apply ?? assert.fail("there is no kubectl apply -k"))
        yield* hasPod("rds-csi", "rds-csi-controller")
        yield* wouldHavePods("rds-csi", "rds-csi-node")
        yield* shell(uninstall)
      }))

    it.effect("takes the chart in another namespace, by the command of docs/install.md, and is rid of it again", () =>
      Effect.gen(function*() {
        const { commands, kubectl, read, shell } = yield* NewCluster
        const [install] = commands("helm")
        yield* kubectl("create", "namespace", "storage")
        yield* shell(
          (install ?? assert.fail("there is no helm upgrade")).replace("--namespace rds-csi", "--namespace storage")
        )
        const name = "rds-csi-rds-csi-driver"
        yield* hasPod("storage", `${name}-controller`)
        yield* wouldHavePods("storage", `${name}-node`)
        const bindings = Effect.map(
          read(Bindings, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
          ({ items }) => items.filter(({ metadata }) => metadata.name.startsWith(name))
        )
        const subjects = (yield* bindings).flatMap(({ subjects = [] }) => subjects.map(({ namespace }) => namespace))
        assert.deepStrictEqual(subjects, Array.from({ length: 6 }, () => "storage"))
        yield* shell("helm uninstall rds-csi --namespace storage")
        assert.deepStrictEqual(yield* bindings, [])
      }))
  })
})
