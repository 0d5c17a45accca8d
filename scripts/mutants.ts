/** Small changes to a source file, each of which some test ought to notice. */
import { type Node, parseSync, Visitor } from "oxc-parser"

/** One change: `text` takes the place of what is between `start` and `end`. */
export interface Mutant {
  readonly start: number
  readonly end: number
  readonly text: string
  /** What the change is, in words. */
  readonly what: string
}

/** Comparisons and sums, and what they become. */
const operators: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*"
}

/** Methods and functions that can be mistaken for each other. */
const counterparts: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  isSome: "isNone",
  isNone: "isSome",
  isSuccess: "isFailure",
  isFailure: "isSuccess",
  peek: "read",
  read: "peek",
  withLock: "tryLock",
  tryLock: "withLock",
  raceFirst: "race",
  switchMap: "flatMap"
}

/** `Option.some` is none of them. */
const isArrayMethod = /^(some|every)$/

/** Methods without which a call answers something similar. */
const droppableMethods = new Set(["filter", "toSorted", "toReversed", "slice", "difference"])

/** Functions whose first argument does something similar by itself. */
const droppableFunctions = new Set([
  "andThen",
  "delay",
  "ensuring",
  "filterOrFail",
  "forkScoped",
  "forever",
  "ignore",
  "mapError",
  "repeat",
  "retry",
  "timeoutOption"
])

/** Functions whose arguments are names or words for the log. */
const namesOrLogs = /^(Effect\.(fn|withSpan|log\w*)|Context\.Service|Schema\.brand)\b/

/** Steps that only the compiler sees. */
const typesOnly = /^(Schema\.brand|Effect\.withSpan)\b/

const duration = /^["'](\d+) (millis|seconds?|minutes?)["']$/

/** Every mutant of the source, in the order of the text. */
export const mutantsOf = (file: string, source: string): ReadonlyArray<Mutant> => {
  const mutants: Array<Mutant> = []
  /** What lies in these is none of a test's business. */
  const ignored: Array<Node> = []
  const code = ({ end, start }: Node) => source.slice(start, end)
  const add = ({ end, start }: Node, text: string, what: string) => mutants.push({ start, end, text, what })

  /** One mutant for each element that is left out, with the comma after it, or before if it is the last. */
  const omitEach = (elements: ReadonlyArray<Node>, what: string) => {
    for (const [index, element] of elements.entries()) {
      if (typesOnly.test(code(element))) continue
      const next = elements[index + 1]
      const start = next === undefined ? elements[index - 1]?.end ?? element.start : element.start
      mutants.push({ start, end: next?.start ?? element.end, text: "", what: `${what} ${code(element)} left out` })
    }
  }

  const always = (test: Node) => {
    add(test, "true", "the condition is always true")
    add(test, "false", "the condition is never true")
  }

  new Visitor({
    ImportDeclaration: (node) => ignored.push(node),
    TSTypeAliasDeclaration: (node) => ignored.push(node),
    TSInterfaceDeclaration: (node) => ignored.push(node),
    TSTypeAnnotation: (node) => ignored.push(node),
    TSTypeParameterInstantiation: (node) => ignored.push(node),
    BinaryExpression: (node) => {
      const operator = operators[node.operator]
      const joinsText = node.operator === "+" && /["'`]/.test(code(node))
      if (operator === undefined || joinsText) return
      add(node, `${code(node.left)} ${operator} ${code(node.right)}`, `${node.operator} became ${operator}`)
    },
    LogicalExpression: (node) => {
      add(node, code(node.left), `${node.operator} ${code(node.right)} left out`)
      add(node, code(node.right), `${code(node.left)} ${node.operator} left out`)
    },
    UnaryExpression: (node) => {
      if (node.operator !== "!" && node.operator !== "-") return
      add(node, code(node.argument), `${node.operator} left out`)
      if (node.operator === "-") ignored.push(node.argument)
    },
    ConditionalExpression: ({ test }) => always(test),
    IfStatement: ({ test }) => always(test),
    SwitchCase: ({ test }) => {
      if (test === null) return
      add(test, `"no such case"`, `case ${code(test)} left out`)
      ignored.push(test)
    },
    Property: ({ key }) => {
      if (key.type === "Literal") ignored.push(key)
    },
    Literal: (node) => {
      const { value } = node
      if (typeof value === "number") add(node, String(value + 1), `${value} became ${value + 1}`)
      if (typeof value === "bigint") add(node, `${value + 1n}n`, `${value}n became ${value + 1n}n`)
      if (typeof value === "boolean") add(node, String(!value), `${value} became ${!value}`)
      if (typeof value !== "string") return
      const [, amount, unit] = duration.exec(code(node)) ?? []
      if (amount !== undefined) add(node, `"${Number(amount) + 1} ${unit}"`, `${amount} ${unit} became one more`)
      else {add(
          node,
          value === "" ? `"something"` : `""`,
          `${code(node)} became ${value === "" ? "something" : "empty"}`
        )}
    },
    TemplateLiteral: (node) => add(node, `""`, `${code(node)} became empty`),
    ExpressionStatement: (node) => {
      add(node, ";", `${code(node)} left out`)
    },
    ArrayExpression: ({ elements }) => omitEach(elements.flatMap((element) => element ?? []), "the element"),
    ObjectExpression: ({ properties }) => {
      if (properties.some(({ type }) => type === "SpreadElement")) omitEach(properties, "the property")
    },
    CallExpression: (node) => {
      const { arguments: args, callee } = node
      if (namesOrLogs.test(code(node))) ignored.push(...args.filter(({ type }) => type.endsWith("Literal")))
      for (const arg of args) if (arg.type === "ObjectExpression") omitEach(arg.properties, "the property")
      if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return
      const { name } = callee.property
      const isMethod = !/^[A-Z]/.test(code(callee.object))
      const counterpart = counterparts[name]
      if (counterpart !== undefined && (isMethod || !isArrayMethod.test(name))) {
        add(callee.property, counterpart, `${name} became ${counterpart}`)
      }
      if (droppableMethods.has(name)) add(node, code(callee.object), `.${name}(…) left out`)
      const [first, second] = args
      if (droppableFunctions.has(name) && first !== undefined && second !== undefined) {
        add(node, code(first), `${name} ${code(second)} left out`)
      }
      if (name === "andThen" && first !== undefined && second !== undefined) {
        add(node, code(second), `${code(first)} before ${name} left out`)
      }
      if (name === "pipe") omitEach(args, "the step")
      if (name === "fn" || name === "fnUntraced") omitEach(args.slice(1), "the step")
    }
  }).visit(parseSync(file, source).program)
  const isTwice = (mutant: Mutant, index: number) =>
    mutants.findIndex(({ end, start, text }) => start === mutant.start && end === mutant.end && text === mutant.text) <
      index
  const isProgram = ({ end, start, text }: Mutant) =>
    parseSync(file, source.slice(0, start) + text + source.slice(end)).errors.length === 0
  return mutants
    .filter((mutant, index) => !isTwice(mutant, index) && isProgram(mutant))
    .filter(({ end, start }) => !ignored.some((node) => node.start <= start && end <= node.end))
    .toSorted((a, b) => a.start - b.start || a.end - b.end)
}
