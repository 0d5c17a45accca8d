/** What is installed in a cluster, read from the files of manifests/. */
import { Schema } from "effect"
import { loadAll } from "js-yaml"
import { glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import { root } from "../../scripts/run.ts"

const optional = Schema.optionalKey
const Texts = Schema.Record(Schema.String, Schema.String)
const Lists = Schema.Array(Schema.String)

const Capabilities = Schema.Struct({ drop: Lists })
const SecurityContext = Schema.Struct({
  privileged: optional(Schema.Boolean),
  allowPrivilegeEscalation: optional(Schema.Boolean),
  readOnlyRootFilesystem: Schema.Boolean,
  runAsUser: optional(Schema.Int),
  capabilities: optional(Capabilities)
})

const Probe = Schema.Struct({
  httpGet: Schema.Struct({
    host: optional(Schema.String),
    path: Schema.String,
    port: Schema.Union([Schema.Int, Schema.String])
  }),
  timeoutSeconds: Schema.Int
})

const Variable = Schema.Struct({
  name: Schema.String,
  value: optional(Schema.String),
  valueFrom: optional(Schema.Struct({
    configMapKeyRef: optional(
      Schema.Struct({ name: Schema.String, key: Schema.String, optional: optional(Schema.Boolean) })
    ),
    fieldRef: optional(Schema.Struct({ fieldPath: Schema.String }))
  }))
})

const Container = Schema.Struct({
  name: Schema.String,
  image: Schema.String,
  args: Lists,
  env: optional(Schema.Array(Variable)),
  ports: optional(Schema.Array(Schema.Struct({ name: Schema.String, containerPort: Schema.Int }))),
  livenessProbe: optional(Probe),
  readinessProbe: optional(Probe),
  securityContext: SecurityContext,
  resources: Schema.Struct({ requests: Texts, limits: optional(Texts) }),
  volumeMounts: Schema.Array(
    Schema.Struct({ name: Schema.String, mountPath: Schema.String, mountPropagation: optional(Schema.String) })
  )
})
export type Container = typeof Container.Type

const Volume = Schema.Struct({
  name: Schema.String,
  hostPath: optional(Schema.Struct({ path: Schema.String })),
  secret: optional(Schema.Struct({ secretName: Schema.String, defaultMode: Schema.Int })),
  emptyDir: optional(Schema.Unknown)
})

/** A Deployment or DaemonSet. */
const Workload = Schema.Struct({
  spec: Schema.Struct({
    replicas: optional(Schema.Int),
    strategy: optional(Schema.Struct({ type: Schema.String })),
    updateStrategy: optional(
      Schema.Struct({ type: Schema.String, rollingUpdate: Schema.Struct({ maxUnavailable: Schema.Int }) })
    ),
    selector: Schema.Struct({ matchLabels: Texts }),
    template: Schema.Struct({
      metadata: Schema.Struct({ labels: Texts }),
      spec: Schema.Struct({
        serviceAccountName: Schema.String,
        priorityClassName: Schema.String,
        terminationGracePeriodSeconds: Schema.Int,
        enableServiceLinks: Schema.Boolean,
        hostNetwork: optional(Schema.Boolean),
        hostPID: optional(Schema.Boolean),
        securityContext: Schema.Struct({
          runAsNonRoot: optional(Schema.Boolean),
          runAsUser: optional(Schema.Int),
          seccompProfile: Schema.Struct({ type: Schema.String })
        }),
        containers: Schema.Array(Container),
        volumes: Schema.Array(Volume)
      })
    })
  })
})

const Rule = Schema.Struct({
  apiGroups: Lists,
  resources: Lists,
  verbs: Lists,
  resourceNames: optional(Lists)
})
export type Rule = typeof Rule.Type

/** A Role or ClusterRole. */
export const Role = Schema.Struct({ rules: Schema.Array(Rule) })

export const Binding = Schema.Struct({
  roleRef: Schema.Struct({ kind: Schema.String, name: Schema.String }),
  subjects: Schema.Array(Schema.Struct({ kind: Schema.String, name: Schema.String, namespace: Schema.String }))
})

const Identity = Schema.Struct({
  kind: Schema.String,
  metadata: Schema.Struct({ name: Schema.String, labels: optional(Texts) })
})

/** An object as it is in its file. */
export interface Installed {
  readonly kind: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly object: unknown
}

/** The objects of a text in YAML. Fails where it cannot be parsed. */
const objectsOf = (text: string): ReadonlyArray<Installed> =>
  loadAll(text).map((object) => {
    const { kind, metadata } = Schema.decodeUnknownSync(Identity)(object)
    return { kind, name: metadata.name, labels: metadata.labels ?? {}, object }
  })

const read = async (pattern: string): Promise<ReadonlyArray<Installed>> => {
  const files = await Array.fromAsync(glob(pattern, { cwd: root }))
  const texts = await Promise.all(
    files.filter((file) => !/kustomization\.yaml$|values\.yaml$/.test(file)).sort().map((file) =>
      readFile(join(root, file), "utf8")
    )
  )
  return texts.flatMap(objectsOf)
}

/** The objects of the base. */
export const base: ReadonlyArray<Installed> = await read("manifests/base/*.yaml")

/** Those, and what components add. */
export const everything: ReadonlyArray<Installed> = await read("manifests/**/*.yaml")

/** The one object of that kind and name in the base, read by a schema. */
export const find = <A>(schema: Schema.Codec<A, unknown>, kind: string, name: string): A => {
  const found = base.filter((one) => one.kind === kind && one.name === name)
  if (found.length !== 1) throw new Error(`there are ${found.length} of ${kind} ${name}`)
  return Schema.decodeUnknownSync(schema)(found[0]?.object)
}

export const controller = find(Workload, "Deployment", "rds-csi-controller").spec
export const node = find(Workload, "DaemonSet", "rds-csi-node").spec

/** Every container, with the pod that it is in. */
export const containers = [controller, node].flatMap(({ template }) =>
  template.spec.containers.map((container) => ({ pod: template.spec, container }))
)

/** The container of that name. */
export const containerOf = ({ template }: typeof controller, wanted: string): Container => {
  const found = template.spec.containers.find(({ name }) => name === wanted)
  if (found === undefined) throw new Error(`no container is called ${wanted}`)
  return found
}

/** The container that runs this program. */
export const driverOf = (workload: typeof controller): Container => containerOf(workload, "rds-csi-driver")

/** What the program reads its addresses from. */
export const config = find(Schema.Struct({ data: Texts }), "ConfigMap", "rds-csi-config").data

/** The environment that kubelet makes of it, in a pod with these fields. */
export const environmentOf = (
  { env = [] }: Container,
  fields: Readonly<Record<string, string>> = {}
): Readonly<Record<string, string>> =>
  Object.fromEntries(env.flatMap(({ name, value, valueFrom: { configMapKeyRef, fieldRef } = {} }) => {
    const [key, path] = [configMapKeyRef?.key ?? "", fieldRef?.fieldPath ?? ""]
    const found = value ?? config[key] ?? fields[path]
    return found === undefined ? [] : [[name, found]]
  }))
