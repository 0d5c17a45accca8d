import { Effect, Option } from "effect"
import { InvalidArgument } from "../../volume/Errors.ts"
import { InvalidToken } from "../Errors.ts"

const tokenPrefix = "after:"

/** Which part of a list is asked for. */
interface PageRequest {
  readonly maxEntries: number
  readonly startingToken: string
}

/**
 * One page of what is listed in order of its id (CSI spec, ListVolumes and ListSnapshots). A token names the last entry of its
 * page and means "what sorts after it", so it stays good when that entry is deleted meanwhile.
 */
export const pageOf = Effect.fnUntraced(function*<A extends { readonly id: string }, Id extends string, E, R>(
  { maxEntries, startingToken }: PageRequest,
  parse: (id: string) => Option.Option<Id>,
  all: Effect.Effect<ReadonlyArray<A>, E, R>
) {
  if (maxEntries < 0) {
    return yield* new InvalidArgument({
      field: "max_entries",
      message: `max_entries is ${maxEntries}; allowed are 0 (no limit) and more`
    })
  }
  const after = yield* lastOf(startingToken, parse)
  const rest = (yield* all).filter(({ id }) => id > after)
  const page = maxEntries === 0 ? rest : rest.slice(0, maxEntries)
  const last = page.at(-1)
  const nextToken = last !== undefined && page.length < rest.length ? `${tokenPrefix}${last.id}` : ""
  return { page, nextToken }
})

const lastOf = Effect.fnUntraced(function*(token: string, parse: (id: string) => Option.Option<string>) {
  if (token === "") return ""
  const id = token.startsWith(tokenPrefix) ? parse(token.slice(tokenPrefix.length)) : Option.none()
  if (Option.isSome(id)) return id.value
  return yield* new InvalidToken({ token })
})
