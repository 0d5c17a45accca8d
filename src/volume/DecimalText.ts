import { Option } from "effect"

/** The integer that the whole text writes in decimal digits, with an optional sign; None for anything else. */
export const parseInteger = (text: string): Option.Option<number> =>
  /^[+-]?[0-9]{1,15}$/.test(text) ? Option.some(Number(text)) : Option.none()
