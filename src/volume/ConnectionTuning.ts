import { Option } from "effect"
import { parseInteger } from "./DecimalText.ts"

/** How the Linux NVMe/TCP initiator treats a connection, in seconds; the names are those of nvme-cli's options. */
export interface ConnectionTuning {
  /** How long a lost controller is retried: -1 for ever, so that I/O waits through an outage; 0 leaves the kernel's default. */
  readonly ctrlLossTmo: number
  readonly reconnectDelay: number
  /** 0 leaves the kernel's default. */
  readonly keepAliveTmo: number
}

/** Inclusive bounds and the value for volumes whose class names none. The upper bound is the kernel's `int`. */
export const tuningRules = {
  ctrlLossTmo: { minimum: -1, maximum: 2 ** 31 - 1, fallback: -1 },
  reconnectDelay: { minimum: 1, maximum: 2 ** 31 - 1, fallback: 5 },
  keepAliveTmo: { minimum: 0, maximum: 2 ** 31 - 1, fallback: 0 }
} as const satisfies Record<keyof ConnectionTuning, { minimum: number; maximum: number; fallback: number }>

/** The number that the text writes, if it is allowed for this key. */
export const parseTuning = (key: keyof ConnectionTuning, text: string): Option.Option<number> =>
  Option.filter(
    parseInteger(text),
    (value) => value >= tuningRules[key].minimum && value <= tuningRules[key].maximum
  )
