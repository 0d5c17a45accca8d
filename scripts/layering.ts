/**
 * Who may import whom. Arrows point down only, so that a layer can be read, tested and replaced without those above it;
 * the simulator stays an independent second opinion on what an appliance does.
 */
import { dirname, join } from "node:path/posix"
import { parseSync } from "oxc-parser"

interface Layer {
  /** Other layers, or single files of theirs, that the layer may import. */
  readonly layers: ReadonlyArray<string>
  /** Packages it may import, by name; `node:*` is all of Node.js. */
  readonly packages: ReadonlyArray<string>
}

const service = { layers: ["volume", "observability/Metrics.ts"], packages: ["effect", "node:*"] }

/** By first folder under src/; `main.ts` is a layer of its own. */
const table: Readonly<Record<string, Layer>> = {
  "main.ts": { layers: ["cli"], packages: ["effect", "@effect/platform-node"] },
  cli: {
    layers: [
      "csi",
      "attachment",
      "orphans",
      "rds",
      "nvme",
      "mount",
      "linux",
      "volume",
      "kubernetes",
      "observability",
      "simulator"
    ],
    packages: ["effect", "@effect/platform-node", "node:*"]
  },
  csi: {
    layers: ["attachment", "rds", "nvme", "mount", "volume", "kubernetes", "observability"],
    packages: ["effect", "@grpc/grpc-js", "@bufbuild/protobuf", "node:*"]
  },
  attachment: service,
  // What both know together: who may use a volume, and what is on the appliance.
  orphans: { ...service, layers: [...service.layers, "attachment", "rds"] },
  rds: { ...service, packages: [...service.packages, "ssh2"] },
  linux: service,
  nvme: { ...service, layers: [...service.layers, "linux"] },
  mount: { ...service, layers: [...service.layers, "linux"] },
  kubernetes: {
    // Its ports, which kubernetes implements; never the other way round.
    layers: [
      "attachment/AttachmentEvents.ts",
      "attachment/AttachmentState.ts",
      "attachment/AttachmentStore.ts",
      "attachment/Errors.ts",
      "attachment/Facts.ts",
      "attachment/Leadership.ts",
      "attachment/NodeRegistry.ts",
      "attachment/SharingGuard.ts",
      "orphans/OrphanEvents.ts",
      "orphans/OrphanReferences.ts",
      "volume",
      "observability/Metrics.ts"
    ],
    packages: ["effect", "@kubernetes/client-node", "js-yaml", "node:*"]
  },
  observability: { layers: [], packages: ["effect", "@effect/platform-node", "node:*"] },
  // Pure: of Node.js only what computes (hashes, the grammar of an address).
  volume: { layers: [], packages: ["effect", "node:crypto", "node:net"] },
  simulator: { layers: ["volume"], packages: ["effect", "@effect/platform-node", "ssh2", "node:*"] }
}

interface Import {
  readonly line: number
  /** What is imported; undefined when it is computed at run time. */
  readonly specifier: string | undefined
}

/** Everything `source` imports or re-exports, types included. */
const importsOf = (file: string, source: string): ReadonlyArray<Import> => {
  const { module } = parseSync(file, source)
  const lineAt = (offset: number) => source.slice(0, offset).split("\n").length
  const literal = /^["'](.*)["']$/
  const named = [...module.staticImports, ...module.staticExports.flatMap((statement) => statement.entries)]
    .flatMap(({ moduleRequest }) => moduleRequest ?? [])
    .map(({ start, value }) => ({ line: lineAt(start), specifier: value }))
  const dynamic = module.dynamicImports.map(({ moduleRequest: { end, start } }) => ({
    line: lineAt(start),
    specifier: literal.exec(source.slice(start, end))?.[1]
  }))
  return [...named, ...dynamic]
}

const packageOf = (specifier: string) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

/** The rule's answer to one import of `file` (relative to src/): undefined when it is allowed, else the reason. */
const objection = (file: string, specifier: string | undefined): string | undefined => {
  const [own = ""] = file.split("/")
  const layer = table[own]
  if (layer === undefined) return `${own} is not in the table of scripts/layering.ts`
  if (specifier === undefined) return "imports a name computed at run time"
  if (!specifier.startsWith(".")) {
    const name = specifier.startsWith("node:") && layer.packages.includes("node:*") ? "node:*" : packageOf(specifier)
    return layer.packages.includes(name)
      ? undefined
      : `imports ${specifier}: ${own} may import only ${layer.packages.join(", ")}`
  }
  const target = join(dirname(file), specifier)
  const [theirs = ""] = target.split("/")
  if (theirs === own || layer.layers.includes(theirs) || layer.layers.includes(target)) return undefined
  return `imports ${target}: ${own} may import only ${[own, ...layer.layers].join(", ")}`
}

/** Every import in `files` (path relative to src/ → source text) that the table does not allow, with file and line. */
export const violations = (files: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(files).flatMap(([file, source]) =>
    [...new Map(importsOf(file, source).map((found) => [`${found.line} ${found.specifier}`, found])).values()]
      .flatMap(({ line, specifier }) => {
        const reason = objection(file, specifier)
        return reason === undefined ? [] : [`src/${file}:${line} ${reason}`]
      })
  )
