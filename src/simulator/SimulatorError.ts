import { Data } from "effect"

/** The simulator cannot start: what is wrong, with the setting or file it is about. */
export class SimulatorError extends Data.TaggedError("SimulatorError")<{ readonly message: string }> {}
