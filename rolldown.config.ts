import { execFileSync } from "node:child_process"
import { defineConfig, type Plugin } from "rolldown"
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

/**
 * An import of node:http reads each of its exports, and behind three of them is undici, an HTTP client of 5 MB that only the
 * export of traces needs. To ask for the module as a whole reads none.
 */
const wholeHttp: Plugin = {
  name: "whole-http",
  resolveId: (source) => source === "node:http" || source === "http" ? "\0node:http" : null,
  load: (id) => id === "\0node:http" ? `module.exports = process.getBuiltinModule("http")` : null
}

const kubernetesClient = "/node_modules/@kubernetes/client-node/"

/** The Kubernetes client brings a second HTTP client, for requests that it makes itself; the driver only takes its credentials. */
const withoutUndici: Plugin = {
  name: "without-undici",
  resolveId: (source, importer) => source === "undici" && importer?.includes(kubernetesClient) ? "\0undici" : null,
  load: (id) => id === "\0undici" ? "export { Agent, Agent as ProxyAgent, request as fetch } from \"node:https\"" : null
}

/** V8 keeps two bytes for each character of a source that has any beyond Latin-1. */
const ascii: Plugin = {
  name: "ascii",
  generateBundle: (_options, files) => {
    for (const file of Object.values(files)) {
      if (file.type === "chunk") file.code = file.code.replace(/[^\0-\x7f]/g, escaped)
    }
  }
}
const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * One program file, and one for each part that only some processes load: what is in a file takes memory even if it never runs.
 * Five times faster to start than the modules they are made of, at half the memory.
 */
export default defineConfig({
  input: "src/main.ts",
  platform: "node",
  plugins: [wholeHttp, withoutUndici, ascii],
  // Classes for every kind of object, of which the driver uses none.
  treeshake: { moduleSideEffects: [{ test: /node_modules\/@kubernetes\/client-node\//, sideEffects: false }] },
  // ssh2 and cpu-features fall back to JavaScript when their compiled parts are absent.
  external: ["cpu-features", /\.node$/],
  transform: {
    define: {
      "process.env.RDS_CSI_VERSION": JSON.stringify(manifest.version),
      "process.env.RDS_CSI_COMMIT": JSON.stringify(commit())
    }
  },
  output: {
    dir: "dist",
    cleanDir: true,
    entryFileNames: "rds-csi.js",
    chunkFileNames: "parts/[name].js",
    format: "esm",
    sourcemap: true,
    // ssh2 tells its sessions by the name of their class.
    minify: {
      compress: { keepNames: { class: true, function: false } },
      mangle: { keepNames: { class: true, function: false } }
    },
    // A function for each module: V8 parses and drops them one by one, where one scope for all takes 16 MiB for good.
    strictExecutionOrder: true,
    // ssh2 and grpc-js are CommonJS and read these.
    banner: [
      "#!/usr/bin/env node",
      `import { createRequire as __createRequire } from "node:module"`,
      "const require = __createRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname"
    ].join("\n")
  }
})
