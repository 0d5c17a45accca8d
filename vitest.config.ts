import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { SlowestFirst } from "./test/support/SlowestFirst.ts"

export default defineConfig({
  test: {
    // Two cores are what CI has, and many tests wait. Files share their workers: loading effect anew for each would cost more
    // than the tests, and each further worker has to load and compile it once more.
    maxWorkers: 3,
    pool: "forks",
    isolate: false,
    // What tests make is short-lived: V8 begins with little room for it, and would collect garbage all the while.
    execArgv: ["--min-semi-space-size=16"],
    sequence: { sequencer: SlowestFirst },
    // What hangs, not what is slow: CI shares its cores.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    slowTestThreshold: 2_000,
    setupFiles: ["test/support/SameCases.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "modules",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/vm/**", "test/cluster/**"]
        }
      },
      {
        extends: true,
        test: {
          name: "program",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["scripts/build-if-stale.ts"],
          // The bundle is started some sixty times: it is compiled once.
          env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("node_modules/.cache/rds-csi", import.meta.url)) }
        }
      }
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/csi/gen/**"],
      reporter: ["text-summary", "html"]
    }
  }
})
