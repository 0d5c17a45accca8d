import { Option, Result } from "effect"
import { isIP } from "node:net"
import { parseInteger } from "./DecimalText.ts"
import { InvalidArgument } from "./Errors.ts"

/** The NVMe/TCP port that IANA assigned for I/O controllers, and the one for volumes whose class names none. */
export const defaultPort = 4420

/** The data address of the appliance: an IPv4 or IPv6 literal without zone; the node does not resolve names. */
export const validateAddress = (text: string, field: string): Result.Result<string, InvalidArgument> =>
  isIP(text) !== 0 && !text.includes("%") ? Result.succeed(text) : Result.fail(
    new InvalidArgument({ field, message: `${field} ${JSON.stringify(text)} must be an IPv4 or IPv6 address` })
  )

/** The TCP port that the text writes in decimal, 1 to 65535. */
export const validatePort = (text: string, field: string): Result.Result<number, InvalidArgument> =>
  Option.match(Option.filter(parseInteger(text), (port) => port >= 1 && port <= 65535), {
    onNone: () =>
      Result.fail(
        new InvalidArgument({
          field,
          message: `${field} ${JSON.stringify(text)} must be a port number from 1 to 65535`
        })
      ),
    onSome: Result.succeed
  })
