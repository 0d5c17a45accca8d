import { describe, expect, it } from "vitest"
import { violations } from "../../scripts/layering.ts"

describe("layering", () => {
  it("lets a layer import itself, what is below it, and its packages", () => {
    const allowed = {
      "main.ts": `import { run } from "./cli/Run.ts"`,
      "cli/Run.ts": `import { Simulator } from "../simulator/Simulator.ts"\nimport "../csi/Server.ts"`,
      "csi/Controller.ts":
        `import type { RdsClient } from "../rds/RdsClient.ts"\nimport * as grpc from "@grpc/grpc-js"`,
      "rds/RdsClient.ts": `import { operations } from "../observability/Metrics.ts"\nimport ssh2 from "ssh2"`,
      "volume/VolumeId.ts": `import { Schema } from "effect"\nimport { uuid } from "./Uuid.ts"`,
      "simulator/Device.ts": `import { readFile } from "node:fs/promises"\nimport { Slot } from "../volume/Slot.ts"`
    }
    expect(violations(allowed)).toEqual([])
  })

  it.each([
    ["volume looks up", "volume/Nqn.ts", `import { x } from "../rds/RdsClient.ts"`, "imports rds/RdsClient.ts"],
    ["services know each other", "nvme/A.ts", `import { x } from "../mount/Mounter.ts"`, "imports mount/Mounter.ts"],
    ["a service logs by itself", "mount/A.ts", `import "../observability/Logging.ts"`, "observability/Logging.ts"],
    ["a type counts as well", "rds/A.ts", `import type { X } from "../csi/Status.ts"`, "imports csi/Status.ts"],
    ["so does a re-export", "rds/A.ts", `export { x } from "../nvme/NvmeFabric.ts"`, "imports nvme/NvmeFabric.ts"],
    ["and export *", "rds/A.ts", `export * from "../nvme/NvmeFabric.ts"`, "imports nvme/NvmeFabric.ts"],
    ["and a dynamic import", "rds/A.ts", `await import("../nvme/NvmeFabric.ts")`, "imports nvme/NvmeFabric.ts"],
    ["a computed import hides", "rds/A.ts", `await import(name)`, "a name computed at run time"],
    ["the simulator copies the driver", "simulator/A.ts", `import "../rds/RouterOs.ts"`, "imports rds/RouterOs.ts"],
    ["the driver leans on the simulator", "rds/A.ts", `import "../simulator/Value.ts"`, "imports simulator/Value.ts"],
    ["gRPC leaks out of its edge", "rds/A.ts", `import "@grpc/grpc-js"`, "imports @grpc/grpc-js"],
    ["volume does I/O", "volume/A.ts", `import "node:fs/promises"`, "imports node:fs/promises"],
    ["a folder nobody has placed", "helpers/A.ts", `import "effect"`, "helpers is not in the table"]
  ])("refuses: %s", (_, file, source, reason) => {
    const found = violations({ [file]: `// one line above\n${source}\n` })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(`src/${file}:2 `)
    expect(found[0]).toContain(reason)
  })
})
