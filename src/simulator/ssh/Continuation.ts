const closers: Readonly<Record<string, string>> = { "{": "}", "[": "]", "(": ")" }

/**
 * The innermost bracket or quote that a text leaves open, or undefined when it is a whole line. At the prompt the device
 * reads on until all are closed, so that scripts of several lines can be pasted.
 */
export const openedBy = (text: string): string | undefined => {
  const open: Array<string> = []
  // Strings with their escapes, comments to the end of their line, and brackets; everything else is of no interest.
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)|(?<=^|[;{\n])\s*#[^\n]*|[{}[\]()]/gs)) {
    const opened = open.at(-1)
    if (token.startsWith("\"")) {
      if (!/^"(?:[^"\\]|\\.)*"$/s.test(token)) return "\""
    } else if (closers[token] !== undefined) {
      open.push(token)
    } else if (opened !== undefined && closers[opened] === token) {
      open.pop()
    }
  }
  return open.at(-1)
}
