import { Data, Duration, Effect, Schema } from "effect"

/** The machine did not answer, or could not do what was asked; never the exit code of a program. */
export class GuestError
  extends Data.TaggedError("GuestError")<{ readonly machine: string; readonly message: string }>
{}

/** How a program in a machine ended. */
export const Outcome = Schema.Struct({
  /** -1 when a signal ended it. */
  code: Schema.Int,
  stdout: Schema.String,
  stderr: Schema.String,
  timedOut: Schema.Boolean
})
export type Outcome = typeof Outcome.Type

const Started = Schema.Struct({ pid: Schema.Int, log: Schema.String })

export interface RunOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** After that time the program and its children are killed; 60 seconds unless said. */
  readonly limit?: Duration.Input
}

/** A program that runs in a machine beside the test. */
export interface GuestProcess {
  readonly pid: number
  /** File in the machine with its output so far. */
  readonly log: string
  /** Waits until it ends. */
  readonly outcome: Effect.Effect<Outcome, GuestError>
}

/** What test/vm/guest/agent.ts offers, at that TCP port of this machine. */
export const agentClient = (machine: string, port: number) => {
  const ask = (method: string, path: string, body?: string | Uint8Array<ArrayBuffer>) =>
    Effect.tryPromise({
      try: async (signal) => {
        const init = body === undefined ? { method, signal } : { method, signal, body }
        const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
        if (!response.ok) throw new Error(await response.text())
        return new Uint8Array(await response.arrayBuffer())
      },
      catch: (error) => new GuestError({ machine, message: `${machine}: ${path}: ${String(error)}` })
    })
  const askJson = <A>(path: string, body: object, answer: Schema.ConstraintDecoder<A>): Effect.Effect<A, GuestError> =>
    ask("POST", path, JSON.stringify(body)).pipe(
      Effect.flatMap((bytes) =>
        Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(answer))(new TextDecoder().decode(bytes)))
      )
    )
  const order = (argv: ReadonlyArray<string>, { env = {}, limit = "60 seconds", stdin = "" }: RunOptions) => ({
    argv,
    stdin,
    env,
    limitMillis: Duration.toMillis(Duration.fromInputUnsafe(limit))
  })
  return {
    /** Runs a program to its end. */
    run: (argv: ReadonlyArray<string>, options: RunOptions = {}): Effect.Effect<Outcome, GuestError> =>
      askJson("/run", order(argv, options), Outcome),
    /** Starts a program that goes on when the answer is here. */
    start: (
      argv: ReadonlyArray<string>,
      options: Pick<RunOptions, "env"> = {}
    ): Effect.Effect<GuestProcess, GuestError> =>
      Effect.map(askJson("/start", order(argv, options), Started), ({ log, pid }) => ({
        pid,
        log,
        outcome: askJson("/wait", { pid }, Outcome)
      })),
    /** One line of JSON to a unix socket of the machine, and the line that it answers. */
    ask: <A>(socket: string, question: object, answer: Schema.ConstraintDecoder<A>): Effect.Effect<A, GuestError> =>
      askJson("/ask", { socket, line: JSON.stringify(question) }, answer),
    readFile: (path: string) => ask("GET", `/file?path=${encodeURIComponent(path)}`),
    writeFile: (path: string, bytes: Uint8Array<ArrayBuffer>) =>
      Effect.asVoid(ask("PUT", `/file?path=${encodeURIComponent(path)}`, bytes))
  }
}
