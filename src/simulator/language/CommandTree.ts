import type { CommandDefinition } from "./Command.ts"

/** One menu of the device with what can be said in it. The root has the commands of the language. */
export interface MenuNode {
  /** Absolute path, "/" for the root. */
  readonly path: string
  readonly parent: MenuNode | undefined
  readonly menus: Map<string, MenuNode>
  readonly commands: Map<string, CommandDefinition>
}

/** Commands of one menu, by path. */
export interface MenuCommands {
  readonly path: string
  readonly commands: ReadonlyMap<string, CommandDefinition>
}

/** The tree of menus; menus on the way to a given one exist as well, without commands. */
export const buildTree = (
  root: ReadonlyMap<string, CommandDefinition>,
  menus: ReadonlyArray<MenuCommands>
): MenuNode => {
  const top: MenuNode = { path: "/", parent: undefined, menus: new Map(), commands: new Map(root) }
  for (const { commands, path } of menus) {
    const node = path.split("/").filter((word) => word !== "").reduce(child, top)
    for (const [name, definition] of commands) node.commands.set(name, definition)
  }
  return top
}

const child = (parent: MenuNode, name: string): MenuNode => {
  const known = parent.menus.get(name)
  if (known !== undefined) return known
  const path = parent.path === "/" ? `/${name}` : `${parent.path}/${name}`
  const made: MenuNode = { path, parent, menus: new Map(), commands: new Map() }
  parent.menus.set(name, made)
  return made
}

/** The menu at a path; undefined when there is none. */
export const menuAt = (root: MenuNode, path: string): MenuNode | undefined =>
  path.split("/").filter((word) => word !== "").reduce<MenuNode | undefined>(
    (node, word) => node?.menus.get(word),
    root
  )

/**
 * The candidate that a word means: itself, or the only one that it is the beginning of (the console takes
 * abbreviations).
 */
export const matchWord = (candidates: Iterable<string>, word: string): string | undefined => {
  const longer = new Set<string>()
  for (const name of candidates) {
    if (name === word) return name
    if (name.startsWith(word)) longer.add(name)
  }
  const [first, second] = longer
  return second === undefined ? first : undefined
}
