import { Context, Effect, Layer, Option, Ref, References } from "effect"
import { Identity } from "../csi/gen/csi_pb.ts"
import { type Rpc, rpcs } from "../csi/GrpcService.ts"
import { makeIdentity } from "../csi/Identity.ts"
import { serve } from "../csi/Server.ts"
import { loggingLayer } from "../observability/Logging.ts"
import { type Component, serveOps } from "../observability/Ops.ts"
import { tracingLayer } from "../observability/Tracing.ts"
import type { CommonFlags } from "./CommonFlags.ts"
import { CannotServe } from "./Exit.ts"
import { build } from "./Version.ts"

/** What a process of the driver serves beside Identity, and what `/readyz` says about it. */
export interface Serving<R> {
  readonly controller: boolean
  readonly rpcs: ReadonlyArray<Rpc<R>>
  readonly components: Readonly<Record<string, Effect.Effect<Component>>>
}

/** What the log has to say about the command line, once there is a log. */
export const StartWarnings = Context.Reference<ReadonlyArray<string>>("rds-csi/cli/StartWarnings", {
  defaultValue: () => []
})

const cannotServe = ({ message }: { readonly message: string }) => Effect.fail(new CannotServe({ message }))

/** Serves CSI and the HTTP endpoints until the process is told to stop; then drains, within `--drain-timeout`. */
export const serveDriver = Effect.fnUntraced(
  function*<R>(flags: CommonFlags, serving: Serving<R>) {
    yield* Effect.forEach(yield* StartWarnings, (warning) => Effect.logWarning(warning), { discard: true })
    const ready = yield* Ref.make(false)
    const identity = makeIdentity({
      name: flags.driverName,
      version: build.version,
      manifest: { commit: build.commit },
      controller: serving.controller,
      ready: Ref.get(ready)
    })
    if (Option.isSome(flags.metricsAddress)) {
      const url = yield* serveOps({ address: flags.metricsAddress.value, components: serving.components })
      yield* Effect.logInfo(`metrics and health at ${url}`)
    }
    const { drainTimeout, endpoint } = flags
    yield* serve({ endpoint, rpcs: [...rpcs(Identity, identity), ...serving.rpcs], drainTimeout })
    yield* Ref.set(ready, true)
    return yield* Effect.never
  },
  Effect.scoped,
  Effect.catchTags({ ListenFailed: cannotServe, SocketUnavailable: cannotServe, OpsUnavailable: cannotServe })
)

/** Logs and traces as the flags and the environment ask for. */
export const observability = (flags: CommonFlags) =>
  Layer.unwrap(Effect.map(
    References.MinimumLogLevel,
    (level) =>
      Layer.provideMerge(
        tracingLayer("rds-csi", build.version),
        loggingLayer({ format: flags.logFormat, level })
      )
  ))
