import { defineConfig } from "vitest/config"

/** Tests on a real kernel, in emulated machines: minutes, not seconds, and so not part of `npm test`. */
export default defineConfig({
  test: {
    name: "vm",
    include: ["test/vm/**/*.test.ts"],
    globalSetup: ["scripts/vm/setup.ts"],
    // Three machines at a time are enough for two cores.
    maxWorkers: 1,
    pool: "forks",
    // Of a machine that does other things as well.
    testTimeout: 240_000,
    hookTimeout: 240_000
  }
})
