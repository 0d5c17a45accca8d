/** A kind of object that the API server serves. */
export interface Kind {
  readonly kind: string
  readonly apiVersion: string
  readonly plural: string
  readonly namespaced: boolean
  /** Its status can be changed at `/status` only. */
  readonly statusApart: boolean
}

const kind = (kind: string, apiVersion: string, plural: string, traits: Partial<Kind> = {}): Kind => ({
  kind,
  apiVersion,
  plural,
  namespaced: false,
  statusApart: false,
  ...traits
})

export const kinds = {
  node: kind("Node", "v1", "nodes", { statusApart: true }),
  csiNode: kind("CSINode", "storage.k8s.io/v1", "csinodes"),
  persistentVolume: kind("PersistentVolume", "v1", "persistentvolumes", { statusApart: true }),
  persistentVolumeClaim: kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims", {
    namespaced: true,
    statusApart: true
  }),
  volumeAttachment: kind("VolumeAttachment", "storage.k8s.io/v1", "volumeattachments", { statusApart: true }),
  pod: kind("Pod", "v1", "pods", { namespaced: true, statusApart: true }),
  event: kind("Event", "v1", "events", { namespaced: true }),
  lease: kind("Lease", "coordination.k8s.io/v1", "leases", { namespaced: true })
}

/** What a URL path names; undefined when nothing is served there. */
export interface Target {
  readonly kind: Kind
  readonly namespace?: string
  /** Absent for a collection. */
  readonly name?: string
  readonly status: boolean
}

/** `/api/v1/namespaces/x/pods/y`, `/apis/storage.k8s.io/v1/csinodes/z/status`, … */
export const targetOf = (path: string): Target | undefined => {
  const words = path.split("/").slice(1).map(decodeURIComponent)
  const grouped = words[0] === "apis"
  if (!grouped && words[0] !== "api") return undefined
  const apiVersion = grouped ? `${words[1]}/${words[2]}` : words[1]
  const rest = words.slice(grouped ? 3 : 2)
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1] : undefined
  const [plural, name, subresource] = namespace === undefined ? rest : rest.slice(2)
  const found = Object.values(kinds).find((kind) => kind.apiVersion === apiVersion && kind.plural === plural)
  if (found === undefined || found.namespaced && name !== undefined && namespace === undefined) return undefined
  return {
    kind: found,
    status: subresource === "status",
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name })
  }
}
