/** The C library's name of what went wrong, such as `ENOENT`; whatever an error says of itself that has none. */
export const errnoOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return "code" in error ? String(error.code) : error.message
}
