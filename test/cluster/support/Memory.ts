import { Effect, FileSystem } from "effect"
import type { Container } from "../../install/Objects.ts"

/** Resident memory of a container's process, in MiB. */
export interface Memory {
  readonly container: string
  readonly now: number
  /** The most that it ever was. */
  readonly most: number
  /** What its manifest asks for, and allows it. */
  readonly requested: number
  readonly limit: number
}

/** Of the process that stands for this container. */
export const memoryOf = Effect.fnUntraced(function*({ name, resources: { limits, requests } }: Container, pid: number) {
  const files = yield* FileSystem.FileSystem
  const status = yield* files.readFileString(`/proc/${pid}/status`)
  const mebibytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024
  return {
    container: name,
    now: mebibytes("VmRSS"),
    most: mebibytes("VmHWM"),
    requested: inMebibytes(requests["memory"]),
    limit: inMebibytes(limits?.["memory"])
  } satisfies Memory
})

/** Of `64Mi`: the manifests use no other unit. */
const inMebibytes = (quantity = "") => Number(/^(\d+)Mi$/.exec(quantity)?.[1])
