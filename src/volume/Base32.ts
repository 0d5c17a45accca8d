import { Option } from "effect"

const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

/** RFC 4648 §6 base32 of the bytes, in lower case and without padding: letters and digits only. */
export const encode = (bytes: Uint8Array): string => {
  const padding = (5 - (bytes.length * 8) % 5) % 5
  let bits = toBigInt(bytes) << BigInt(padding)
  let text = ""
  for (let length = (bytes.length * 8 + padding) / 5; length > 0; length--) {
    text = alphabet.charAt(Number(bits & 31n)) + text
    bits >>= 5n
  }
  return text
}

/** Exact inverse of `encode`: None for every text that `encode` never makes (other characters, stray bits at the end). */
export const decode = (text: string): Option.Option<Uint8Array> => {
  const digits = Array.from(text, (character) => alphabet.indexOf(character))
  if (digits.includes(-1)) return Option.none()
  const length = Math.floor(text.length * 5 / 8)
  const bits = digits.reduce((sum, digit) => sum << 5n | BigInt(digit), 0n) >> BigInt(text.length * 5 - length * 8)
  const bytes = Buffer.from(bits.toString(16).padStart(length * 2, "0"), "hex")
  return encode(bytes) === text ? Option.some(bytes) : Option.none()
}

const toBigInt = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n)
