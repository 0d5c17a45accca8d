import { Console, Effect, Layer, Option, References } from "effect"
import { kubeApiLayer } from "../kubernetes/KubeApiLive.ts"
import { listedReferences } from "../kubernetes/KubernetesOrphanReferences.ts"
import { loggingLayer } from "../observability/Logging.ts"
import { cleanOrphan, type Judges, type Outcome } from "../orphans/CleanOrphan.ts"
import { judgeBy } from "../orphans/Judgement.ts"
import { OrphanReferences } from "../orphans/OrphanReferences.ts"
import { survey } from "../orphans/Survey.ts"
import { RdsClient } from "../rds/RdsClient.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import { VolumeLock } from "../volume/VolumeLock.ts"
import { rdsClient } from "./ApplianceClient.ts"
import { sshTarget } from "./ApplianceConfig.ts"
import { clusterSource } from "./Cluster.ts"
import { Misconfigured, NotDone, Unreachable } from "./Exit.ts"
import { entriesOf, entryOf, tableOf } from "./OrphanListing.ts"
import type { OrphansFlags } from "./OrphansCommand.ts"

/** Shows every volume on the appliance and what it is to the cluster. Changes nothing. */
export const listOrphans = (flags: OrphansFlags & { readonly output: "table" | "json" }) =>
  Effect.gen(function*() {
    const { references, scope } = yield* judgesOf(flags)
    const entries = entriesOf(yield* Effect.mapError(survey(scope, references), unreachable))
    yield* Console.log(flags.output === "json" ? JSON.stringify(entries, null, 2) : tableOf(entries))
  }).pipe(Effect.provide(services(flags)))

/** Removes these volumes as far as they are orphans, and fails if any of them is left. */
export const removeOrphans = (
  flags: OrphansFlags & { readonly yes: boolean; readonly volumes: ReadonlyArray<VolumeId> }
) =>
  Effect.gen(function*() {
    const judges = yield* judgesOf(flags)
    const ids = [...new Set(flags.volumes)]
    if (!flags.yes) return yield* onlyTell(judges, ids, flags.appliance.clusterId)
    const left = yield* Effect.filter(ids, (id) => Effect.map(removeOne(judges, id), (isRemoved) => !isRemoved))
    if (left.length > 0) {
      return yield* new NotDone({ message: `${left.length} of ${ids.length} volumes were not removed` })
    }
  }).pipe(Effect.provide(services(flags)))

const onlyTell = Effect.fnUntraced(function*(judges: Judges, ids: ReadonlyArray<VolumeId>, clusterId: string) {
  const rds = yield* RdsClient
  const found = yield* Effect.forEach(ids, (id) => rds.get(id)).pipe(Effect.mapError(unreachable))
  const judge = judgeBy(yield* Effect.mapError(judges.references, unreachable), judges.scope)
  const volumes = found.flatMap(Option.toArray)
  yield* Console.log(tableOf(volumes.map((volume) => entryOf({ volume, verdict: judge(volume) }))))
  return yield* new NotDone({
    message:
      `nothing was removed: say --yes to remove the orphans among these ${ids.length}; no other cluster on the ` +
      `appliance may have the cluster id "${clusterId}"`
  })
})

const removeOne = Effect.fnUntraced(function*(judges: Judges, id: VolumeId) {
  const rds = yield* RdsClient
  const outcome = yield* rds.get(id).pipe(
    Effect.flatMap(Option.match({
      onNone: () => Effect.succeed<Outcome>({ _tag: "Spared", why: "it does not exist on the appliance" }),
      onSome: (volume) => cleanOrphan(judges, volume, { andRemove: true })
    })),
    Effect.catch(({ message }) => Effect.succeed<Outcome>({ _tag: "Spared", why: message }))
  )
  if (outcome._tag === "Spared") yield* Console.error(`${id}: not removed: ${outcome.why}`)
  else yield* Console.log(`${id}: removed`)
  return outcome._tag === "Removed"
})

const judgesOf = Effect.fnUntraced(function*({ appliance }: OrphansFlags) {
  const { read } = yield* OrphanReferences
  return { scope: { clusterId: appliance.clusterId, base: appliance.basePath }, references: read } satisfies Judges
})

const unreachable = ({ message }: { readonly message: string }) => new Unreachable({ message })

const services = ({ appliance, kubeconfig }: OrphansFlags) =>
  Layer.unwrap(Effect.map(sshTarget(appliance), (target) => rdsClient(appliance, target))).pipe(
    Layer.merge(VolumeLock.layer),
    Layer.merge(cluster(kubeconfig)),
    Layer.provideMerge(quietLogs)
  )

const cluster = (kubeconfig: string) =>
  listedReferences.pipe(
    Layer.provide(kubeApiLayer(clusterSource(kubeconfig))),
    Layer.catchTag("KubeConfigInvalid", ({ message }) =>
      Layer.effectContext(Effect.fail(new Misconfigured({ message: `${message}; see --kubeconfig` }))))
  )

/** What goes wrong is told by the errors; the log is for whoever asks for more of it than usual. */
const quietLogs = Layer.unwrap(
  Effect.map(
    References.MinimumLogLevel,
    (level) => loggingLayer({ format: "auto", level: level === "Info" ? "Error" : level })
  )
)
