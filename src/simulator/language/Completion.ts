import type { CommandDefinition } from "./Command.ts"
import { matchWord, menuAt, type MenuNode } from "./CommandTree.ts"

/**
 * What the last word of a line may become: menus and commands, and after a command's name its parameters (`name=`),
 * their known values, and its flags. Only the last command counts, from the last bracket or semicolon on.
 */
export const completions = (text: string, root: MenuNode, menu: string): ReadonlyArray<string> => {
  const last = /[^;[\]{}()\n]*$/.exec(text)?.[0].trimStart() ?? ""
  const absolute = /^[:/]/.test(last)
  const words = last.replace(/^[:/]/, "").split(/[\s/]+/)
  const start = absolute ? root : menuAt(root, menu) ?? root
  const { command, node, rest } = follow(start, words)
  if (command !== undefined && rest.length > 0) return argumentsOf(command, rest.at(-1) ?? "")
  return beginning([...node.menus.keys(), ...node.commands.keys()], rest.at(-1) ?? words.at(-1) ?? "")
}

/** Follows complete words as far as they name menus or a command; the last word is still being typed. */
const follow = (
  node: MenuNode,
  words: ReadonlyArray<string>
): {
  readonly node: MenuNode
  readonly command: CommandDefinition | undefined
  readonly rest: ReadonlyArray<string>
} => {
  const [word, ...rest] = words
  if (word === undefined || rest.length === 0) return { node, command: undefined, rest: words }
  const name = matchWord([...node.menus.keys(), ...node.commands.keys()], word) ?? ""
  const command = node.commands.get(name)
  if (command !== undefined) return { node, command, rest }
  const inner = node.menus.get(name)
  return inner === undefined ? { node, command: undefined, rest: words } : follow(inner, rest)
}

const argumentsOf = (command: CommandDefinition, word: string): ReadonlyArray<string> => {
  const [name, begun] = word.split("=")
  const parameter = command.parameters.find((known) => known.name === name)
  if (begun !== undefined) return beginning(parameter?.values ?? [], begun)
  const names = command.parameters.map((known) => `${known.name}=`)
  return beginning([...names, ...command.flags, ...command.where === undefined ? [] : ["where"]], word)
}

const beginning = (candidates: ReadonlyArray<string>, word: string): ReadonlyArray<string> =>
  candidates.filter((candidate) => candidate.startsWith(word)).sort()
