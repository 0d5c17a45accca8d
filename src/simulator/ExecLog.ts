import { Clock, Context, Effect, Layer } from "effect"

/** One exec line as the device saw it, for tests and for the control socket. */
export interface ExecRecord {
  /** 1, 2, … in order of arrival. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly user: string
  /** Number of the SSH connection it came over. */
  readonly connection: number
  readonly line: string
  /**
   * running: not finished yet; answered: output and exit status were sent; cut, hung, rebooted: a fault kept the answer;
   * lost: the client or a reboot closed the connection before the answer.
   */
  readonly outcome: "running" | "answered" | "cut" | "hung" | "rebooted" | "lost"
  /** The fault rules that applied, as they were given. */
  readonly faults: ReadonlyArray<string>
}

/** How many lines are kept; older ones are forgotten. */
const kept = 10_000

/** The exec lines since the start or the last reset. */
export class ExecLog extends Context.Service<ExecLog, {
  readonly records: Effect.Effect<ReadonlyArray<ExecRecord>>
  readonly reset: Effect.Effect<void>
  /** Notes the arrival of a line; answers its number. */
  begin(exec: Pick<ExecRecord, "user" | "connection" | "line">): Effect.Effect<number>
  /** Adds what became of it; the first outcome other than running stays. */
  note(number: number, change: Partial<Pick<ExecRecord, "outcome" | "faults">>): Effect.Effect<void>
}>()("rds-csi/simulator/ExecLog") {
  static readonly layer = Layer.sync(ExecLog, () => {
    const records = new Map<number, ExecRecord>()
    let count = 0
    return ExecLog.of({
      records: Effect.sync(() => [...records.values()]),
      reset: Effect.sync(() => records.clear()),
      begin: (exec) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          count += 1
          records.set(count, { number: count, at, outcome: "running", faults: [], ...exec })
          records.delete(count - kept)
          return count
        }),
      note: (number, change) =>
        Effect.sync(() => {
          const record = records.get(number)
          if (record === undefined) return
          const outcome = record.outcome === "running" ? change.outcome ?? record.outcome : record.outcome
          records.set(number, { ...record, ...change, outcome })
        })
    })
  })
}
