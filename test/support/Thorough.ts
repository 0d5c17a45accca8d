/**
 * What stories and requests are drawn from: the same ones each time, so that whoever changes nothing sees no failure. For
 * others: `RDS_CSI_SEED=2 npm test`.
 */
export const seed = process.env["RDS_CSI_SEED"] ?? "1"

/** Whether everything is tried, as in CI, and not just as much as a developer waits for. */
export const isThorough = process.env["RDS_CSI_EVERY_CUT"] !== undefined

/** All of these moments when everything is tried; else each n-th. */
export const each = <A>(n: number, moments: ReadonlyArray<A>): ReadonlyArray<A> =>
  isThorough ? moments : moments.filter((_, index) => index % n === 0)
