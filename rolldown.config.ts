import { execFileSync } from "node:child_process"
import { defineConfig } from "rolldown"
import manifest from "./package.json" with { type: "json" }

/** The commit a build is made from; a build without a checkout (Nix, a container) passes it in the environment. */
const commit = (): string => {
  if (process.env.RDS_CSI_COMMIT !== undefined) return process.env.RDS_CSI_COMMIT
  try {
    return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim()
  } catch {
    return "unknown"
  }
}

/** One file for production: five times faster to start than the modules it is made of, at half the memory. */
export default defineConfig({
  input: "src/main.ts",
  platform: "node",
  // ssh2 and cpu-features fall back to JavaScript when their compiled parts are absent.
  external: ["cpu-features", /\.node$/],
  transform: {
    define: {
      "process.env.RDS_CSI_VERSION": JSON.stringify(manifest.version),
      "process.env.RDS_CSI_COMMIT": JSON.stringify(commit())
    }
  },
  output: {
    file: "dist/rds-csi.js",
    format: "esm",
    codeSplitting: false,
    sourcemap: true,
    minify: true,
    // ssh2 and grpc-js are CommonJS and read these.
    banner: [
      "#!/usr/bin/env node",
      `import { createRequire as __createRequire } from "node:module"`,
      "const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname"
    ].join("\n")
  }
})
