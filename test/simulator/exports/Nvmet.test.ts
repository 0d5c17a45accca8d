import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { nvmetExports } from "../../../src/simulator/exports/Nvmet.ts"

it.live("a machine whose kernel has no NVMe target is refused, with what is missing", () =>
  Effect.gen(function*() {
    const { message } = yield* Layer.build(nvmetExports("/nonexistent/nvmet")).pipe(Effect.scoped, Effect.flip)
    assert.include(message, "/nonexistent/nvmet cannot be used")
    assert.include(message, "the kernel module nvmet-tcp")
  }))
