import { relative } from "node:path"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { root } from "../../scripts/run.ts"

/** The slowest files of each project, slowest first. */
const slowest = [
  "test/properties/attachmentModel.test.ts",
  "test/properties/attachmentCrashPoints.test.ts",
  "test/rds/Copies.test.ts",
  "test/e2e/Crash.test.ts",
  "test/e2e/Program.test.ts",
  "test/e2e/Appliance.test.ts",
  "test/e2e/Fuzz.test.ts",
  "test/e2e/Replicas.test.ts",
  "test/e2e/Snapshots.test.ts",
  "test/e2e/SnapshotCrash.test.ts"
]

const rank = ({ moduleId }: TestSpecification): number => {
  const index = slowest.indexOf(relative(root, moduleId))
  return index === -1 ? slowest.length : index
}

/**
 * Starts what takes longest before the rest of its project, so that nobody waits for it at the end. Vitest goes by how long the
 * files took the last time; a fresh clone has no last time.
 */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    const projects = [...new Set(sorted.map(({ project }) => project.name))]
    const place = (file: TestSpecification) => projects.indexOf(file.project.name)
    return sorted.toSorted((a, b) => place(a) - place(b) || rank(a) - rank(b))
  }
}
