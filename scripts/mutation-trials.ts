/** Copies of what some tests need, in which a mutant takes the place of the file that it was made of. */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { setTimeout } from "node:timers/promises"
import { createVitest, type TestRunResult, type Vitest } from "vitest/node"
import type { Mutant } from "./mutants.ts"
import { root, run } from "./run.ts"

/** A mutant of a file; its path is relative to the root. */
export interface Trial extends Mutant {
  readonly file: string
  readonly source: string
}

/** What became of a mutant: a test failed, or did not end; the compiler refused it; or nobody noticed. */
export type Verdict =
  | { readonly _tag: "Killed" | "Endless"; readonly by: string; readonly tests: string | undefined }
  | { readonly _tag: "Refused" | "Survived" }

/** What is to be tested, and how. */
export interface Suite {
  /** Files and folders that the tests and their subjects need. */
  readonly needed: ReadonlyArray<string>
  /** The folders that the compiler checks. */
  readonly compiled: ReadonlyArray<string>
  /** Tests that run together; the quick ones come first, as few mutants survive them. */
  readonly stages: ReadonlyArray<string>
  /** A pattern for the names of the tests. */
  readonly names: string
  /** Settings of the tests. */
  readonly env: Readonly<Record<string, string>>
}

/** A test takes milliseconds when it ends at all. */
const testLimit = 10_000

/** Property tests draw the same cases each time. */
const sameCases = `import { Arbitrary } from "effect"

Arbitrary.configureGlobal({ check: { seed: 1 } })
`

const startVitest = (folder: string, { env, names }: Suite): Promise<Vitest> =>
  createVitest("test", {
    bail: 1,
    config: false,
    env,
    fileParallelism: false,
    fsModuleCachePath: join(folder, "module-cache"),
    isolate: false,
    maxWorkers: 1,
    pool: "threads",
    reporters: [{}],
    root: folder,
    setupFiles: [join(folder, "same-cases.ts")],
    testNamePattern: names,
    testTimeout: testLimit,
    watch: false
  })

/** A copy of the sources and tests in a folder of its own, and a vitest that stays, so that a trial takes less than a second. */
export class Copy implements AsyncDisposable {
  private readonly suite: Suite
  private readonly folder: string
  private vitest: Vitest
  /** Milliseconds that each stage took when it succeeded last. */
  private readonly durations = new Map<string, number>()
  /** The test file that killed the last mutant of each file: it will probably kill the next one too. */
  private readonly killers = new Map<string, string>()

  private constructor(suite: Suite, folder: string, vitest: Vitest) {
    this.suite = suite
    this.folder = folder
    this.vitest = vitest
  }

  /** Makes a copy; fails unless everything is right in it as long as nothing is changed. */
  static async make(suite: Suite): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), "rds-csi-mutants-"))
    for (const path of suite.needed) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await cp(join(root, path), join(folder, path), { recursive: true })
    }
    const project = JSON.stringify({ extends: "./tsconfig.json", include: suite.compiled })
    await writeFile(join(folder, "same-cases.ts"), sameCases)
    await writeFile(join(folder, "tsconfig.mutant.json"), project)
    await symlink(join(root, "node_modules"), join(folder, "node_modules"))
    const copy = new Copy(suite, folder, await startVitest(folder, suite))
    const verdict = await copy.judge(suite.stages)
    if (verdict._tag === "Survived") return copy
    await copy[Symbol.asyncDispose]()
    throw new Error(`without any change: ${JSON.stringify(verdict)}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vitest.close()
    await rm(this.folder, { recursive: true })
  }

  async try(trial: Trial): Promise<Verdict> {
    const { end, file, source, start, text } = trial
    const killer = this.killers.get(file)
    await this.replace(file, source.slice(0, start) + text + source.slice(end))
    const verdict = await this.judge(killer === undefined ? this.suite.stages : [killer, ...this.suite.stages])
    await this.replace(file, source)
    if (verdict._tag === "Endless" && await this.isSlowNow()) return await this.try(trial)
    if ("tests" in verdict && verdict.tests !== undefined) this.killers.set(file, verdict.tests)
    return verdict
  }

  private async replace(file: string, source: string): Promise<void> {
    const path = join(this.folder, file)
    await writeFile(path, source)
    this.vitest.invalidateFile(path)
  }

  /** Whether the machine has become so busy that a test may have been stopped that would have ended. */
  private async isSlowNow(): Promise<boolean> {
    const [stage = ""] = this.suite.stages
    const before = this.durations.get(stage) ?? 0
    await this.failureOf(stage)
    return (this.durations.get(stage) ?? 0) > 3 * before
  }

  /** What the tests say, and after them the compiler: what it refuses never gets as far as a test. */
  private async judge(stages: ReadonlyArray<string>): Promise<Verdict> {
    for (const tests of stages) {
      const verdict = await this.failureOf(tests)
      if (verdict !== undefined) return verdict
    }
    const { code } = await run(["tsc", "--noEmit", "--project", "tsconfig.mutant.json"], { cwd: this.folder })
    return { _tag: code === 0 ? "Survived" : "Refused" }
  }

  /** The first of the tests that fails, if one does. */
  private async failureOf(tests: string): Promise<Verdict | undefined> {
    const chosen = await this.vitest.globTestSpecifications([tests])
    const begun = performance.now()
    const ended = new AbortController()
    const result = await Promise.race([
      this.vitest.runTestSpecifications(chosen),
      setTimeout(this.limitOf(tests), undefined, { signal: ended.signal })
    ])
    ended.abort()
    if (result !== undefined) {
      const failure = this.failureIn(result)
      if (failure === undefined) this.durations.set(tests, performance.now() - begun)
      return failure
    }
    // Ends its thread, whatever it is doing.
    await this.vitest.close()
    this.vitest = await startVitest(this.folder, this.suite)
    return { _tag: "Endless", by: "a loop that never waits", tests: undefined }
  }

  /** Milliseconds after which tests are taken to be endless: many times what they take. */
  private limitOf(tests: string): number {
    const stages = this.suite.stages
    const usual = this.durations.get(stages.find((stage) => stage === tests) ?? stages[0] ?? "")
    return usual === undefined ? 100 * testLimit : 5 * usual + 2 * testLimit
  }

  private failureIn({ testModules, unhandledErrors }: TestRunResult): Verdict | undefined {
    for (const module of testModules) {
      const tests = relative(this.folder, module.moduleId)
      for (const test of module.children.allTests("failed")) {
        const errors = test.result().errors ?? []
        // What was thrown need not be an error.
        const isEndless = errors.some(({ message }) => String(message).includes("Test timed out"))
        return { _tag: isEndless ? "Endless" : "Killed", by: test.fullName, tests }
      }
      if (!module.ok()) return { _tag: "Killed", by: module.errors()[0]?.message ?? module.state(), tests }
    }
    return unhandledErrors.length > 0 ? { _tag: "Killed", by: String(unhandledErrors[0]), tests: undefined } : undefined
  }
}
