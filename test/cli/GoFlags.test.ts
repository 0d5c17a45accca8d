import { assert, describe, it } from "@effect/vitest"
import { translateGoFlags } from "../../src/cli/GoFlags.ts"

describe("translateGoFlags", () => {
  it("starts the controller from the Go driver's manifest", () => {
    const { args, warnings } = translateGoFlags([
      "-endpoint=unix:///csi/csi.sock",
      "-node-id=node-a",
      "-controller",
      "-rds-address=10.0.0.1",
      "-rds-port=22",
      "-enable-orphan-reconciler=true",
      "-orphan-check-interval=1h",
      "-orphan-dry-run",
      "-enable-vmi-serialization",
      "-v=5"
    ])
    assert.deepStrictEqual(args, [
      "controller",
      "--endpoint=unix:///csi/csi.sock",
      "--node-id=node-a",
      "--rds-address=10.0.0.1",
      "--rds-port=22",
      "--enable-orphan-reconciler=true",
      "--orphan-check-interval=1h",
      "--orphan-dry-run",
      "--log-level",
      "debug"
    ])
    assert.deepStrictEqual(warnings.map((warning) => warning.split(" ")[0]), ["--enable-vmi-serialization"])
  })

  it.each([
    { argv: ["-node", "-node-id", "node-a"], args: ["node", "--node-id", "node-a"] },
    { argv: ["--controller", "--node"], args: ["all"] },
    { argv: ["-controller=true", "-node=false"], args: ["controller"] },
    { argv: ["-version"], args: ["version"] },
    { argv: ["-node", "-v", "0"], args: ["node", "--log-level", "info"] },
    {
      argv: ["-controller", "-attachment-grace-period", "30s", "-vmi-cache-ttl", "1m", "-rds-user", "csi"],
      args: ["controller", "--attachment-grace-period", "30s", "--rds-user", "csi"]
    },
    { argv: ["-controller", "-logtostderr", "-rds-user=csi"], args: ["controller", "--rds-user=csi"] }
  ])("reads $argv as the Go flag package would", ({ argv, args }) => {
    assert.deepStrictEqual(translateGoFlags(argv).args, args)
  })

  it.each([
    { argv: ["node", "--node-id=node-a", "-h"] },
    { argv: ["simulator", "--port=2222", "--fault", "cut=after match=/disk/add"] },
    { argv: ["orphans", "remove", "pvc-1", "--yes"] },
    { argv: ["controller", "--rds-volume-base-path", "/pool/a b"] },
    { argv: ["--help"] },
    { argv: [] }
  ])("leaves $argv alone", ({ argv }) => {
    assert.deepStrictEqual(translateGoFlags(argv).args, argv)
  })
})
