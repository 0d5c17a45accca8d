import { Effect, Layer } from "effect"
import { OrphanReferences, type Reference, ReferencesUnavailable } from "../orphans/OrphanReferences.ts"
import { ClusterView } from "./ClusterView.ts"
import { KubeApi } from "./KubeApi.ts"
import { isNamedAfter } from "./ObservedAttachments.ts"
import type { ObjectOf } from "./Resource.ts"
import { namingVolumes, type VolumeAttachment, volumeAttachments, volumeClaims } from "./Resources.ts"
import { orNotListed } from "./StoreFailures.ts"

/**
 * What refers to volumes in a cluster: PersistentVolumes of whatever driver and phase, claims and VolumeAttachments, listed anew
 * each time. Claims come first: what is missing there, since a claim was deleted while its volume was being made, is among
 * the PersistentVolumes by then.
 */
export const listedReferences = Layer.effect(
  OrphanReferences,
  Effect.map(KubeApi, (api) =>
    OrphanReferences.of({
      read: Effect.gen(function*() {
        const claims = yield* api.list(volumeClaims)
        const volumes = yield* api.list(namingVolumes)
        const attachments = yield* api.list(volumeAttachments)
        return [
          ...volumes.items.map(ofVolume),
          ...claims.items.map(ofClaim),
          ...attachments.items.map(ofAttachment)
        ]
      }).pipe(
        Effect.mapError(({ message }) =>
          new ReferencesUnavailable({ message: `what the cluster refers to cannot be read now: ${message}` })
        )
      )
    }))
)

/** The same for a controller: also what its watch has heard of, and nothing before that has heard of everything once. */
export const watchedReferences = Layer.effect(
  OrphanReferences,
  Effect.gen(function*() {
    const { read } = yield* OrphanReferences
    const { attachments, volumes } = yield* ClusterView
    const synced = Effect.mapError(
      orNotListed(Effect.andThen(volumes.synced, attachments.synced)),
      ({ message }) => new ReferencesUnavailable({ message })
    )
    return OrphanReferences.of({
      read: Effect.gen(function*() {
        yield* synced
        return [...yield* read, ...volumes.objects.values().map(ofKnownVolume)]
      })
    })
  })
).pipe(Layer.provide(listedReferences))

/** A provisioned PersistentVolume has the volume's id as its name; a static one any name. */
const ofKnownVolume = ({ metadata: { name }, spec: { csi } }: Named): Reference => ({
  by: `PersistentVolume ${name}`,
  keys: csi === undefined || csi === null ? [name] : [name, csi.volumeHandle]
})

/** What the two forms in which PersistentVolumes are read have in common. */
interface Named {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly csi?: { readonly volumeHandle: string } | null }
}

const ofVolume = (volume: ObjectOf<typeof namingVolumes>): Reference => {
  const { nqn, volumePath } = volume.spec.csi?.volumeAttributes ?? {}
  const { by, keys } = ofKnownVolume(volume)
  return { by, keys: [...keys, ...[nqn, volumePath].flatMap((key) => key ?? [])] }
}

/** external-provisioner names a volume after the UID of its claim, and asks for it until the claim is gone. */
const ofClaim = ({ metadata, spec }: ObjectOf<typeof volumeClaims>): Reference => ({
  by: `PersistentVolumeClaim ${metadata.namespace}/${metadata.name}`,
  keys: [`pvc-${metadata.uid}`, ...(typeof spec.volumeName === "string" ? [spec.volumeName] : [])]
})

/** Its PersistentVolume may be gone; then its own name tells of which handle it is. */
const ofAttachment = (attachment: VolumeAttachment): Reference => {
  const { metadata, spec } = attachment
  const { persistentVolumeName } = spec.source
  return {
    by: `VolumeAttachment ${metadata.name} on node ${spec.nodeName}`,
    keys: typeof persistentVolumeName === "string" ? [persistentVolumeName] : [],
    isTo: (id) => isNamedAfter(id, attachment)
  }
}
