import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** What is granted and never used is known when everything else has run. */
class PermissionsLast extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => moduleId.endsWith("Permissions.test.ts") ? 1 : 0
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

/** Tests under a real control plane, which takes long to build the first time, and so not part of `npm test`. */
export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    name: "cluster",
    include: ["test/cluster/**/*.test.ts"],
    globalSetup: ["test/cluster/support/setup.ts"],
    sequence: { sequencer: PermissionsLast },
    pool: "forks",
    // They share one control plane, and a driver name.
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("../../node_modules/.cache/rds-csi", import.meta.url)) }
  }
})
