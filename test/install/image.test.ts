import { assert, describe, it } from "@effect/vitest"
import { access, glob, readFile } from "node:fs/promises"
import { join } from "node:path"
import manifest from "../../package.json" with { type: "json" }
import { root, run } from "../../scripts/run.ts"

const read = (file: string) => readFile(join(root, file), "utf8")

/** Lines of the list: package, program, argument. */
const rows = (await read("image/programs.txt")).split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(/ +/))

const dockerfile = await read("image/Dockerfile")
const instructions = dockerfile.replaceAll("\\\n", " ").split("\n").filter((line) => /^[A-Z]+ /.test(line))

describe("the image", () => {
  it("has exactly the programs that the driver runs, and its init", async () => {
    const files = await Array.fromAsync(glob("src/{mount,nvme}/linux/*.ts", { cwd: root }))
    const source = (await Promise.all(files.map(read))).join("\n")
    const named = [
      // run("mount", …), run(device, "blkid", …), and tables and constants that say { program: "mkfs.xfs" } or program = "nvme".
      ...source.matchAll(/\brun\(\s*(?:device, )?"([a-z0-9._]+)"/g),
      ...source.matchAll(/\bprogram(?::| =) "([a-z0-9._]+)"/g)
    ].map(([, name = ""]) => name)
    const programs = rows.flatMap(([, program]) => program === undefined || program === "tini" ? [] : [program])
    assert.deepStrictEqual(programs.toSorted(), [...new Set(named)].sort())

    // Whatever else is run is called one of these, so that the patterns above have seen it.
    const others = [...source.matchAll(/\b(?:command|commands)\.run\(\s*([^"\s,)][^,)]*)/g)].map(([, first]) => first)
    assert.includeMembers(["program", "grower.program", "process.execPath"], [...new Set(others)])
  })

  it("tells of every program how it is tried out", () => {
    for (const [name, program, argument] of rows) {
      assert.strictEqual(program === undefined, argument === undefined, name)
    }
  })

  it("has what the flake's package has on its path", async () => {
    const flake = await read("flake.nix")
    const [, runtime = ""] = /runtime = pkgs: \[([^\]]*)\]/.exec(flake) ?? []
    // Debian has a package of its own for mount; the init and the library are the container's.
    const named: Record<string, string> = { mount: "util-linux", grep: "gnugrep" }
    const packages = rows.flatMap(([name = ""]) => ["tini", "libstdc++6"].includes(name) ? [] : [name])
    const inNix = packages.map((name) => `pkgs.${named[name] ?? name}`)
    assert.sameMembers(runtime.trim().split(/\s+/), [...new Set(inNix)])
  })

  it("has the Node.js that everything is tested with", () => {
    assert.include(instructions, `ARG NODE=${manifest.devDependencies.node}`)
  })

  it("runs as a user, under an init", () => {
    assert.include(instructions, "USER 65532:65532")
    assert.include(instructions, `ENTRYPOINT ["tini", "-s", "--", "rds-csi"]`)
  })

  it("is made of images with a version, and of nothing from elsewhere", () => {
    for (const line of instructions.filter((line) => line.startsWith("FROM "))) {
      assert.match(line, /:\$\{(NODE|DEBIAN)\}/)
    }
    assert.match(dockerfile, /^ARG DEBIAN=\d+\.\d+-slim$/m)
    assert.notMatch(dockerfile, /^ADD |curl|wget/m)
  })

  it("copies what is there, and what .dockerignore lets in", async () => {
    const copied = instructions.flatMap((line) =>
      /^COPY (?!--)(.+) \S+$/.exec(line)?.[1]?.split(" ").filter((word) => word !== "") ?? []
    )
    const letIn = (await read(".dockerignore")).split("\n").flatMap((line) =>
      line.startsWith("!") ? [line.slice(1)] : []
    )
    assert.isAbove(copied.length, 8)
    for (const file of copied) {
      await access(join(root, file))
      assert.isTrue(letIn.some((one) => file === one || file.startsWith(`${one}/`)), file)
    }
  })

  it("is made by scripts that a shell can read", async () => {
    for (const script of await Array.fromAsync(glob("image/*.sh", { cwd: root }))) {
      const { code, output } = await run(["/bin/sh", "-n", script])
      assert.strictEqual(code, 0, output)
    }
  })
})
