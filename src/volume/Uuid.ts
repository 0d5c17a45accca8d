import { createHash } from "node:crypto"

/** The DNS namespace of RFC 9562 §6.6, under which every name-based UUID of this driver is made. */
const dnsNamespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

/** Source text of a pattern for a UUID in the lower-case 8-4-4-4-12 form, any version. */
export const pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

/**
 * UUID version 5 (RFC 9562 §5.5) of `name`, taken as UTF-8, in the DNS namespace: a pure function, lower-case
 * 8-4-4-4-12 form.
 */
export const v5 = (name: string): string => {
  const digest = createHash("sha1").update(toBytes(dnsNamespace)).update(name, "utf8").digest().subarray(0, 16)
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6)
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8)
  return fromBytes(digest)
}

/** The 16 bytes of a UUID in 8-4-4-4-12 form, in the order of its digits. */
export const toBytes = (uuid: string): Uint8Array => Buffer.from(uuid.replaceAll("-", ""), "hex")

/** The lower-case 8-4-4-4-12 form of 16 bytes. */
export const fromBytes = (bytes: Uint8Array): string => {
  const hex = Buffer.from(bytes).toString("hex")
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}
