/**
 * Text from anywhere, made fit for one log line or a gRPC status message: well-formed Unicode (grpc-js fails on lone
 * surrogates), every run of control characters and line separators as one blank, and at most `maxBytes` of UTF-8, cut at a
 * character with a trailing `…`.
 */
export const printable = (text: string, maxBytes: number): string => {
  const line = text.toWellFormed().replace(/[\p{Cc}\u2028\u2029]+/gu, " ")
  return Buffer.byteLength(line) <= maxBytes ? line : `${cut(line, maxBytes - Buffer.byteLength("…"))}…`
}

const cut = (line: string, maxBytes: number): string => {
  const { read } = new TextEncoder().encodeInto(line, new Uint8Array(maxBytes))
  return line.slice(0, read)
}
