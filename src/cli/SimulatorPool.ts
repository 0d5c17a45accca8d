import { Effect } from "effect"
import type { PoolConfig } from "../simulator/SimulatorConfig.ts"
import { Misconfigured } from "./Exit.ts"

const misconfigured = (message: string) => Effect.fail(new Misconfigured({ message }))

const poolKeys = ["slot", "size", "fs", "label", "mount-point", "state", "mounted"]

/** One `--pool`, as `slot=raid10,size=16T,fs=xfs`. */
export const readSimulatorPool = Effect.fnUntraced(
  function*(text: string): Effect.fn.Return<PoolConfig, Misconfigured> {
    const values = new Map<string, string>()
    for (const part of text.split(",")) {
      const [, key, value] = /^([a-z-]+)=(.+)$/.exec(part) ?? []
      if (key === undefined || value === undefined || !poolKeys.includes(key)) {
        return yield* misconfigured(`--pool: ${part}; expected ${poolKeys.map((name) => `${name}=…`).join(", ")}`)
      }
      values.set(key, value)
    }
    const slot = values.get("slot")
    const size = values.get("size")
    if (slot === undefined || size === undefined) {
      return yield* misconfigured(`--pool: ${text}; ${slot === undefined ? "slot" : "size"}= is missing`)
    }
    const fs = (["xfs", "btrfs", "ext4"] as const).find((name) => name === (values.get("fs") ?? "xfs"))
    if (fs === undefined) return yield* misconfigured(`--pool: fs=${values.get("fs")}; expected xfs, btrfs or ext4`)
    const label = values.get("label")
    const mounted = values.get("mounted") ?? "yes"
    if (mounted !== "yes" && mounted !== "no") {
      return yield* misconfigured(`--pool: mounted=${mounted}; expected yes or no`)
    }
    return {
      slot,
      mountPoint: values.get("mount-point") ?? slot,
      sizeBytes: yield* readSize(size),
      fs,
      ...(label === undefined ? {} : { label }),
      state: values.get("state") ?? "clean",
      mounted: mounted === "yes"
    }
  }
)

const suffixes = ["", "K", "M", "G", "T"]

const readSize = (text: string) => {
  const [, digits, suffix] = /^([1-9][0-9]{0,17})([KMGT]?)$/.exec(text) ?? []
  return digits === undefined || suffix === undefined
    ? misconfigured(`--pool: size=${text}; expected bytes, or a number with K, M, G or T`)
    : Effect.succeed(BigInt(digits) * 1024n ** BigInt(suffixes.indexOf(suffix)))
}
