import { type Duration, Effect } from "effect"
import { Count, Version } from "./Appliance.ts"
import { ApplianceUnsupported, type ScriptFailed } from "./Errors.ts"
import { exec } from "./Exec.ts"
import { read, report } from "./Facts.ts"
import { join, ros } from "./RouterOs.ts"
import type { SshSession } from "./SshTransport.ts"

/** The first release that lets a driver choose the NQN of an export (`nvme-tcp-server-nqn`). */
const floor = { major: 7, minor: 21 }

/** Whether a version that RouterOS tells is at least that one. */
export const isAtLeast = (version: string, wanted: { readonly major: number; readonly minor: number }): boolean => {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(version) ?? []
  return Number(major) > wanted.major || (Number(major) === wanted.major && Number(minor) >= wanted.minor)
}

const script = join([
  report("version", ros`[/system/resource/get version]`),
  report("storage", ros`[:len [/system/package/find where name="rose-storage" and !disabled]]`)
], ros`;`)

/** Asks a new connection for its RouterOS version; fails when it or the storage package does not do for this driver. */
export const probe = Effect.fnUntraced(function*(session: SshSession, limit: Duration.Input) {
  const facts = yield* exec(session, script, limit).pipe(Effect.catchTag("ScriptFailed", unsupported))
  const version = yield* read(facts, "version", Version)
  if (!isAtLeast(version, floor)) {
    return yield* new ApplianceUnsupported({
      message: `the appliance runs RouterOS ${version}: this driver needs ${floor.major}.${floor.minor} or newer, ` +
        "which can set the NQN of an export; upgrade the appliance"
    })
  }
  if ((yield* read(facts, "storage", Count)) === 0n) {
    return yield* new ApplianceUnsupported({
      message: `the appliance (RouterOS ${version}) lacks the package rose-storage: install and enable it`
    })
  }
  return version
})

const unsupported = ({ text }: ScriptFailed) =>
  Effect.fail(new ApplianceUnsupported({ message: `the appliance does not tell its RouterOS version (${text})` }))
