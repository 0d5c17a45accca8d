import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Two cores are what CI has, and many tests wait. Files share their workers: loading effect anew for each would cost more
    // than the tests.
    maxWorkers: 4,
    pool: "forks",
    isolate: false,
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
