import { Effect, Result } from "effect"
import { RosError } from "../menu/Menu.ts"
import type { BinaryOperator, Block, CallStatement, Expression, Statement, UnaryOperator } from "./Ast.ts"
import type { Failure, Frame } from "./Frame.ts"
import { binary, elementAt, holds, joinTexts, unary } from "./Operators.ts"
import { toText } from "./Text.ts"
import { bool, type Code, code, mixed, nothing, type Value } from "./Value.ts"

/** Calls inside calls beyond this fail: a function that calls itself without end must not eat the machine. */
const maximumCalls = 128

/** The value of an expression. Substitutions in it run commands, so it may write, wait and fail like a statement. */
export const evaluate = (expression: Expression, frame: Frame): Effect.Effect<Value, Failure> => {
  switch (expression._tag) {
    case "Literal":
      return Effect.succeed(expression.value)
    case "Variable":
      return Effect.sync(() => frame.scope.get(expression.name))
    case "Property":
      return Effect.succeed(frame.row?.get(expression.name) ?? nothing)
    case "Function":
      return Effect.succeed(code("function", expression.block))
    case "Interpolation":
      return Effect.flatMap(all(expression.parts, frame), (parts) => computed(joinTexts(parts.map(toText))))
    case "Substitution":
      return runStatement(expression.statement, frame).pipe(
        Effect.catchTag("Return", ({ value }) => Effect.succeed(value))
      )
    case "Array":
      return arrayLiteral(expression, frame)
    case "Unary":
      return immediately(expression, frame, () =>
        Effect.flatMap(
          operands([expression.operand], expression.operator, frame),
          ([operand = nothing]) => computed(unary(expression.operator, operand))
        ))
    case "Binary":
      return immediately(expression, frame, () =>
        Effect.flatMap(
          operands([expression.left, expression.right], expression.operator, frame),
          ([left = nothing, right = nothing]) => computed(binary(expression.operator, left, right))
        ))
    case "Element":
      return Effect.map(
        all([expression.array, expression.key], frame),
        ([array = nothing, key = nothing]) => elementAt(array, key)
      )
  }
}

/** A command looks at every row of its menu: most conditions need nothing that has to be run, and are not made effects. */
const immediately = (
  expression: Expression,
  frame: Frame,
  otherwise: () => Effect.Effect<Value, Failure>
): Effect.Effect<Value, Failure> =>
  Effect.suspend(() => {
    const value = pure(expression, frame)
    return value === undefined ? otherwise() : computed(value)
  })

/** The value of an expression without anything that runs; undefined when there is such a thing in it. */
const pure = (expression: Expression, frame: Frame): Result.Result<Value, string> | undefined => {
  switch (expression._tag) {
    case "Literal":
      return Result.succeed(expression.value)
    case "Variable":
      return Result.succeed(frame.scope.get(expression.name))
    case "Property":
      return Result.succeed(frame.row?.get(expression.name) ?? nothing)
    case "Unary": {
      const operand = pureOperand(expression.operand, expression.operator, frame)
      return operand && Result.flatMap(operand, (value) => unary(expression.operator, value))
    }
    case "Binary": {
      const left = pureOperand(expression.left, expression.operator, frame)
      const right = left && pureOperand(expression.right, expression.operator, frame)
      return left && right &&
        Result.flatMap(left, (a) => Result.flatMap(right, (b) => binary(expression.operator, a, b)))
    }
    default:
      return undefined
  }
}

const pureOperand = (expression: Expression, operator: BinaryOperator | UnaryOperator, frame: Frame) => {
  const value = pure(expression, frame)
  return value && Result.map(value, asOperand(expression, operator))
}

/** The values of several expressions, in order. */
export const all = (
  expressions: ReadonlyArray<Expression>,
  frame: Frame
): Effect.Effect<ReadonlyArray<Value>, Failure> => Effect.forEach(expressions, (inner) => evaluate(inner, frame))

const operands = (expressions: ReadonlyArray<Expression>, operator: BinaryOperator | UnaryOperator, frame: Frame) =>
  Effect.forEach(expressions, (inner) => Effect.map(evaluate(inner, frame), asOperand(inner, operator)))

/** In a condition a property alone asks whether the row has it: `where comment and !disabled`. */
const asOperand = (expression: Expression, operator: BinaryOperator | UnaryOperator) => (value: Value): Value =>
  expression._tag === "Property" && (operator === "&&" || operator === "||" || operator === "!")
    ? bool(holds(value))
    : value

/** A pure result as an effect: its failure is a run-time error. */
export const computed = <A>(result: Result.Result<A, string>): Effect.Effect<A, RosError> =>
  Effect.mapError(Effect.fromResult(result), (message) => new RosError({ message }))

const arrayLiteral = Effect.fnUntraced(function*(
  { elements }: Extract<Expression, { _tag: "Array" }>,
  frame: Frame
): Effect.fn.Return<Value, Failure> {
  const values = yield* all(elements.map((element) => element.value), frame)
  const pairs = elements.map(({ key }, index) => ({ key, value: values[index] ?? nothing }))
  return mixed(
    pairs.flatMap(({ key, value }) => key === undefined ? [value] : []),
    pairs.flatMap(({ key, value }) => key === undefined ? [] : [[key, value] as const])
  )
})

/** Runs statements one after the other in the scope of `frame`. */
export const runStatements = (block: Block, frame: Frame): Effect.Effect<void, Failure> =>
  Effect.forEach(block.statements, (statement) => runStatement(statement, frame), { discard: true })

/** Runs a block in a scope of its own, with the variables that its command binds. */
export const runBlock = (
  block: Block,
  frame: Frame,
  bindings?: ReadonlyMap<string, Value>
): Effect.Effect<void, Failure> =>
  Effect.suspend(() => runStatements(block, { ...frame, scope: frame.scope.block(bindings) }))

const runStatement = (statement: Statement, frame: Frame): Effect.Effect<Value, Failure> => {
  switch (statement._tag) {
    case "Command":
      return Effect.andThen(
        frame.machine.step,
        Effect.suspend(() => statement.definition.run({ command: statement, frame }))
      )
    case "Call":
      return callStatement(statement, frame)
    case "Scope":
      return Effect.as(runBlock(statement.block, frame), nothing)
    case "Menu":
      return Effect.sync(() => {
        if (statement.prompt) frame.machine.session.menu = statement.path
        return nothing
      })
  }
}

const callStatement = Effect.fnUntraced(function*(
  { callee, named, positional }: CallStatement,
  frame: Frame
): Effect.fn.Return<Value, Failure> {
  yield* frame.machine.step
  const target = yield* evaluate(callee, frame)
  if (target._tag !== "Code") return target
  const values = yield* all([...named.map(([, expression]) => expression), ...positional], frame)
  const names = [...named.map(([name]) => name), ...positional.map((_, index) => String(index + 1))]
  return yield* call(target, new Map(names.map((name, index) => [name, values[index] ?? nothing])), frame)
})

/** Runs a function with its arguments: named ones, and positional ones under "1", "2", …; answers what it returns. */
const call = (
  { block }: Code,
  parameters: ReadonlyMap<string, Value>,
  { depth, machine, scope }: Frame
): Effect.Effect<Value, Failure> =>
  depth >= maximumCalls
    ? Effect.fail(new RosError({ message: "failure: too many nested calls" }))
    : Effect.suspend(() =>
      runStatements(block, { machine, scope: scope.function(parameters), row: undefined, depth: depth + 1 })
    ).pipe(
      Effect.as(nothing),
      Effect.catchTags({
        Return: ({ value }) => Effect.succeed(value),
        LoopControl: () => Effect.succeed(nothing)
      })
    )
