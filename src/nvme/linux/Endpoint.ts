import { Option } from "effect"
import { isIPv6, SocketAddress } from "node:net"
import { parseInteger } from "../../volume/DecimalText.ts"

/** The address and port at which a target listens. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * Reads a controller's sysfs attribute `address`, such as `traddr=10.42.68.1,trsvcid=4420,src_addr=10.42.68.7` (Linux,
 * `nvmf_get_address` in drivers/nvme/host/fabrics.c). What else the kernel appends is left out. None when address or port
 * are missing, as for transports without ports.
 */
export const parseEndpoint = (text: string): Option.Option<Endpoint> => {
  const fields = new Map(text.trim().split(",").map(keyAndValue))
  const address = fields.get("traddr") ?? ""
  const port = Option.filter(parseInteger(fields.get("trsvcid") ?? ""), (value) => value >= 1 && value <= 65535)
  return address === "" ? Option.none() : Option.map(port, (value) => ({ address, port: value }))
}

const keyAndValue = (field: string): readonly [string, string] => {
  const [key = "", ...value] = field.trim().split("=")
  return [key, value.join("=")]
}

/** Whether both name the same place. One IPv6 address has several spellings, and sysfs keeps the one it was given. */
export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean =>
  a.port === b.port && canonical(a.address) === canonical(b.address)

const canonical = (address: string) =>
  isIPv6(address) && !address.includes("%") ? new SocketAddress({ address, family: "ipv6" }).address : address
