import { bool, id, ip, ipPrefix, list, nil, num, str, time, type Value } from "./Value.ts"

const second = 1_000_000_000n
const unitNanos: Readonly<Record<string, bigint>> = {
  w: 604_800n * second,
  d: 86_400n * second,
  h: 3_600n * second,
  m: 60n * second,
  s: second,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n
}

const integer = /^-?\d+$/
const hexadecimal = /^0x[0-9a-fA-F]+$/
const units = /^-?(?:\d+(?:\.\d+)?(?:ms|us|ns|[wdhms]))+$/
const clock = /^(-?)(?:(\d+)w)?(?:(\d+)d)?(\d{1,4}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/
const address = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const prefix = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\/(\d{1,2})$/
const internalId = /^\*[0-9A-Fa-f]{1,16}$/

/** An integer, decimal or 0x hexadecimal, of 64 bits. */
export const parseNumber = (text: string): bigint | undefined =>
  integer.test(text) || hexadecimal.test(text) ? BigInt.asIntN(64, BigInt(text)) : undefined

/** Nanoseconds of `1w2d3h4m5s`, `500ms`, `1d03:04:05`, `10:00` (hours and minutes) or `03:04:05.25`. */
export const parseTime = (text: string): bigint | undefined => {
  if (units.test(text)) {
    const parts = [...text.matchAll(/(\d+)(?:\.(\d+))?(ms|us|ns|[wdhms])/g)]
    const total = parts.reduce((sum, [, whole = "0", fraction = "", unit = "s"]) => {
      const nanos = unitNanos[unit] ?? 0n
      return sum + BigInt(whole) * nanos + (BigInt(fraction || "0") * nanos) / 10n ** BigInt(fraction.length)
    }, 0n)
    return text.startsWith("-") ? -total : total
  }
  const match = clock.exec(text)
  if (match === null) return undefined
  const [, sign, w = "0", d = "0", h = "0", m = "0", s = "0", fraction = ""] = match
  const days = BigInt(w) * 7n + BigInt(d)
  const nanos = (((days * 24n + BigInt(h)) * 60n + BigInt(m)) * 60n + BigInt(s)) * second +
    BigInt(fraction.padEnd(9, "0"))
  return sign === "-" ? -nanos : nanos
}

/** IPv4 address as a 32-bit number. */
export const parseIp = (text: string): bigint | undefined => {
  const octets = address.exec(text)?.slice(1).map(Number)
  if (octets === undefined || octets.some((octet) => octet > 255)) return undefined
  return octets.reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
}

/** Address and length of an IPv4 prefix. */
const parsePrefix = (text: string): { readonly value: bigint; readonly length: number } | undefined => {
  const match = prefix.exec(text)
  const value = parseIp(match?.[1] ?? "")
  const length = Number(match?.[2] ?? "99")
  return value === undefined || length > 32 ? undefined : { value, length }
}

/** Number behind an internal id such as `*2A`. */
export const parseId = (text: string): bigint | undefined =>
  internalId.test(text) ? BigInt(`0x${text.slice(1)}`) : undefined

/** The typed value of a word; undefined when it is nothing but text. */
export const parseTyped = (text: string): Value | undefined => {
  const number = parseNumber(text)
  if (number !== undefined) return num(number)
  const nanos = parseTime(text)
  if (nanos !== undefined) return time(nanos)
  const host = parseIp(text)
  if (host !== undefined) return ip(host)
  const network = parsePrefix(text)
  if (network !== undefined) return ipPrefix(network.value, network.length)
  const item = parseId(text)
  return item === undefined ? undefined : id(item)
}

/**
 * The value of an unquoted word, as the console guesses it: number, interval, address, id, yes/no, true/false, nil,
 * several of them joined by commas, else a string.
 */
export const parseWord = (text: string): Value => {
  if (text.includes(",")) return list(text.split(",").map(parseWord))
  if (text === "true" || text === "yes") return bool(true)
  if (text === "false" || text === "no") return bool(false)
  if (text === "nil") return nil
  return parseTyped(text) ?? str(text)
}
