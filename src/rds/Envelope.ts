import { ros, type RosScript, unended } from "./RouterOs.ts"

/** What became of a script, as its output tells. RouterOS answers exit status 0 whatever happened. */
export type Outcome =
  /** It ran to its end; what it printed, line by line, and the labels of what it reported among it, in order. */
  | { readonly _tag: "Done"; readonly lines: ReadonlyArray<string>; readonly labels: ReadonlyArray<string> }
  /** A statement failed at run time; statements before it have run. */
  | { readonly _tag: "Failed"; readonly text: string }
  /** It was refused before anything ran: a syntax error, or a command or parameter that this RouterOS does not have. */
  | { readonly _tag: "NotUnderstood"; readonly text: string }
  /** The output ends without verdict: the script may have run, partly or wholly. */
  | { readonly _tag: "Unknown" }

/**
 * The script inside RouterOS' `:onerror` (7.13 and newer), so that its output ends with `<nonce> ok`, followed by the labels
 * of what it reported, or with `<nonce> err <text>`. Errors of the parser escape it: they abort the whole line before anything
 * runs.
 */
export const wrap = (script: RosScript, nonce: string): RosScript =>
  ros`:onerror e in={ :local reported ""; ${unended(script)}; :put (${`${nonce} ok`} . $reported) }
    do={ :put (${`${nonce} err `} . $e) }`

/** Notes, in a script that is wrapped, that something was reported under the label. */
export const noteReported = (label: string): RosScript => ros`:set reported ($reported . ${` ${label}`})`

/** The verdict of the output of `wrap(script, nonce)`. Lines may end in CRLF, as RouterOS prints them. */
export const verdict = (output: string, nonce: string): Outcome => {
  const lines = output.split(/\r?\n/)
  const at = lines.findIndex((line) => `${line} `.startsWith(`${nonce} ok `) || line.startsWith(`${nonce} err `))
  if (at >= 0) {
    const [, word, ...labels] = (lines[at] ?? "").split(" ")
    const text = lines.slice(at).join(" ").slice(`${nonce} err `.length).trim()
    return word === "ok" ? { _tag: "Done", lines: lines.slice(0, at), labels } : { _tag: "Failed", text }
  }
  const text = output.trim()
  return refusals.some((refusal) => refusal.test(text)) ? { _tag: "NotUnderstood", text } : { _tag: "Unknown" }
}

/**
 * How RouterOS' parser and its policy check begin (RouterOS manual, Scripting; `ansible` and console captures agree).
 */
const refusals = [
  /^(script error: )?(syntax error|bad command name|bad parameter|unknown parameter|expected |missing |invalid )/i,
  /^input does not match any value of /i,
  /^not enough permissions/i,
  /\(line \d+ column \d+\)\s*$/
]
