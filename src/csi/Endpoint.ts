import { Result, Schema } from "effect"
import * as nodePath from "node:path"

/** Where the gRPC server listens. TCP is for tests and debugging: the CSI spec allows Unix sockets only. */
export type Endpoint =
  | { readonly _tag: "Unix"; readonly path: string }
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }

/** The endpoint setting cannot be used; `message` names the value and what is allowed. */
export class InvalidEndpoint extends Schema.TaggedError<InvalidEndpoint>()("InvalidEndpoint", {
  message: Schema.String
}) {}

/** `unix:///csi/csi.sock`, `unix://csi.sock`, `/csi/csi.sock` or `tcp://127.0.0.1:10000`. Unix paths come back absolute. */
export const parseEndpoint = (text: string): Result.Result<Endpoint, InvalidEndpoint> => {
  const [, scheme, rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(text) ?? []
  switch (scheme) {
    case undefined:
    case "unix":
      return parseUnix(text, rest)
    case "tcp":
      return parseTcp(text, rest)
    default:
      return invalid(text, `unknown scheme ${scheme}`)
  }
}

/** As `unix:///path` or `tcp://host:port`. */
export const formatEndpoint = (endpoint: Endpoint): string =>
  endpoint._tag === "Unix" ? `unix://${endpoint.path}` : `tcp://${formatHostPort(endpoint)}`

/** `host:port`, with brackets around an IPv6 address. */
export const formatHostPort = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

const parseUnix = (text: string, path: string) => {
  if (path === "" || path.endsWith("/") || path.includes("\0")) return invalid(text, "it names no socket file")
  return Result.succeed<Endpoint>({ _tag: "Unix", path: nodePath.resolve(path) })
}

const parseTcp = (text: string, rest: string) => {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]\s]+)):([0-9]{1,5})$/.exec(rest) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || port > 65_535) return invalid(text, "it is not tcp://host:port")
  return Result.succeed<Endpoint>({ _tag: "Tcp", host, port })
}

const invalid = (text: string, why: string) =>
  Result.fail(
    new InvalidEndpoint({
      message: `CSI endpoint ${JSON.stringify(text)} cannot be used: ${why}; allowed are unix:///absolute/path.sock, ` +
        `a bare path, and tcp://host:port`
    })
  )
