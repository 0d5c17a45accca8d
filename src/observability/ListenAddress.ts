import { Option, Result, Schema } from "effect"

/** Where an HTTP server listens; without a host on every interface. */
export interface ListenAddress {
  readonly host: Option.Option<string>
  readonly port: number
}

/** The address setting cannot be used; `message` names the value and what is allowed. */
export class InvalidListenAddress extends Schema.TaggedError<InvalidListenAddress>()("InvalidListenAddress", {
  message: Schema.String
}) {}

/** `:9809`, `127.0.0.1:9809` or `[::1]:9809`; empty means "do not listen". */
export const parseListenAddress = (
  text: string
): Result.Result<Option.Option<ListenAddress>, InvalidListenAddress> => {
  if (text === "") return Result.succeed(Option.none())
  const [, bracketed, plain = "", digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]\s]*)):([0-9]{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (digits === undefined || port > 65_535) {
    return Result.fail(
      new InvalidListenAddress({
        message: `listen address ${JSON.stringify(text)} cannot be used; allowed are :port, host:port, [ipv6]:port ` +
          "with a port from 0 to 65535, and nothing at all to switch it off"
      })
    )
  }
  return Result.succeed(Option.some({ host: host === "" ? Option.none() : Option.some(host), port }))
}
