import type { FabricTarget } from "../NvmeFabric.ts"
import { sameEndpoint } from "./Endpoint.ts"
import type { Connection } from "./Sysfs.ts"

/** What a connection that is already there means to a connect. */
export type Verdict =
  /** No controller at all. */
  | "Absent"
  /** It works, or the kernel is bringing it (back) up: it is to be used as it is. */
  | "Usable"
  /** The same for another address. */
  | "Elsewhere"
  /** Connected, and not a trace of a block device. One that was just made looks like this too, for a moment. */
  | "Empty"
  /** Nothing of it works or will work again. */
  | "Dead"

/** Judges by the kernel's state alone. Whatever may still become a device, or is one, is never Empty or Dead. */
export const judge = ({ controllers, nodes }: Connection, target: Pick<FabricTarget, "address" | "port">): Verdict => {
  if (controllers.length === 0) return "Absent"
  const working = controllers.filter(({ state }) => !over.includes(state))
  if (working.length === 0) return "Dead"
  if (nodes.length === 0 && working.every(({ state }) => state === "live")) return "Empty"
  return working.some((controller) => sameEndpoint(controller, target)) ? "Usable" : "Elsewhere"
}

/** States that a controller never leaves but by going away. */
const over: ReadonlyArray<string> = ["deleting", "deleting (no IO)", "dead"]
