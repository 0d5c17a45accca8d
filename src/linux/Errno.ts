import type { PlatformError } from "effect"

/** The C library's name of what went wrong, such as `ENOENT`; where there is none, the platform's own word. */
export const errnoOf = ({ cause, reason }: PlatformError.PlatformError): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : reason._tag
