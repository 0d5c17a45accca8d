import { nothing, type Value } from "./Value.ts"

type Binding = { readonly _tag: "Local"; value: Value } | { readonly _tag: "Global" }

/**
 * Variables visible at one place. A name declared with `:global` is a reference to the device's variable of that name.
 * A line sees the globals that were there before it; a function sees neither those nor its caller's variables.
 */
export class Scope {
  readonly #bindings = new Map<string, Binding>()
  readonly #globals: Map<string, Value>
  readonly #parent: Scope | undefined
  readonly #parameters: ReadonlySet<string>

  private constructor(
    globals: Map<string, Value>,
    parent: Scope | undefined,
    parameters: ReadonlyMap<string, Value>
  ) {
    this.#globals = globals
    this.#parent = parent
    this.#parameters = new Set(parameters.keys())
    for (const [name, value] of parameters) this.declareLocal(name, value)
  }

  /** Scope of a line typed or sent to the device. */
  static line(globals: Map<string, Value>): Scope {
    const scope = new Scope(globals, undefined, new Map())
    for (const name of globals.keys()) scope.declareGlobal(name)
    return scope
  }

  /** Scope of a block inside this one, with the variables that its command binds. */
  block(bindings: ReadonlyMap<string, Value> = new Map()): Scope {
    const scope = new Scope(this.#globals, this, new Map())
    for (const [name, value] of bindings) scope.declareLocal(name, value)
    return scope
  }

  /** Scope of a function's body: its arguments and nothing else. */
  function(parameters: ReadonlyMap<string, Value>): Scope {
    return new Scope(this.#globals, undefined, parameters)
  }

  declareLocal(name: string, value: Value): void {
    this.#bindings.set(name, { _tag: "Local", value })
  }

  /** A function's argument hides the global of its name, also when the function declares that global. */
  declareGlobal(name: string): void {
    if (!this.#parameters.has(name)) this.#bindings.set(name, { _tag: "Global" })
  }

  get(name: string): Value {
    const binding = this.#find(name)
    if (binding?._tag === "Local") return binding.value
    return binding === undefined ? nothing : this.#globals.get(name) ?? nothing
  }

  /** Assigns the innermost variable of that name. A global that is set to nothing is gone from the device. */
  set(name: string, value: Value): void {
    const binding = this.#find(name)
    if (binding?._tag === "Local") binding.value = value
    else if (binding !== undefined && value._tag === "Nothing") this.#globals.delete(name)
    else if (binding !== undefined) this.#globals.set(name, value)
  }

  #find(name: string): Binding | undefined {
    const own = this.#bindings.get(name)
    return own === undefined && this.#parent !== undefined ? this.#parent.#find(name) : own
  }
}
