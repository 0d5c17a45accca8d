import { Effect } from "effect"
import type { NodePlugin } from "./NodePlugin.ts"
import type { Vm } from "./Vm.ts"

/** A program that the plugin runs, and when the plugin is killed (SIGKILL): before it does anything, beside it, or when it is done. */
export interface Breakpoint {
  readonly program: string
  readonly moment: "before" | "beside" | "after"
}

const real = "/run/real"

/** What stands in for the program. `$0` is the path by which it was called: some programs go by their name. */
const scripts: Record<Breakpoint["moment"], (pid: number) => string> = {
  before: (pid) => `kill -KILL ${pid}; exit 1`,
  beside: (pid) => `${real}$0 "$@" & kill -KILL ${pid}; wait $!`,
  after: (pid) => `${real}$0 "$@"; code=$?; kill -KILL ${pid}; exit $code`
}

/** Puts a script in the place of the program, for as long as `use` runs. */
export const replaced = <A, E, R>(vm: Vm, program: string, script: string, use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    vm.sh(
      `
      mkdir -p ${real}
      mountpoint -q ${real} || mount --bind / ${real}
      cat > /run/stand-in && chmod 755 /run/stand-in
      mount --bind /run/stand-in $(readlink -f $(command -v ${program}))
    `,
      { stdin: `#!/bin/sh\n${script}\n` }
    ),
    () => use,
    () => Effect.orDie(vm.sh(`/bin/busybox umount -l ${`$(readlink -f $(command -v ${program}))`}`))
  )

/** Runs the call until the plugin is dead at the breakpoint; then starts the plugin again. */
export const crash = Effect.fnUntraced(function*(
  plugin: NodePlugin,
  { moment, program }: Breakpoint,
  call: Effect.Effect<unknown, unknown>
) {
  const { vm } = plugin
  const pid = yield* plugin.pid
  const dead = vm.sh(`until ! kill -0 ${pid} 2>/dev/null; do sleep 0.1; done`, { limit: "5 minutes" })
  const called = Effect.matchEffect(call, {
    onSuccess: () => Effect.die(`the call has succeeded without ${program}`),
    onFailure: () => Effect.never
  })
  yield* replaced(vm, program, scripts[moment](pid), Effect.raceFirst(called, dead))
  yield* plugin.restart
})
