import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { generateSshKeyPair } from "../../src/simulator/Keys.ts"
import { runProgram } from "../support/RunProgram.ts"

/** It ends with this code and one line on stderr that says these things. */
const refused = Effect.fnUntraced(function*({ args, code, env, says }: {
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly code: number
  readonly says: ReadonlyArray<string>
}) {
  const ended = yield* runProgram(args, env)
  assert.strictEqual(ended.code, code, ended.errors.join("\n"))
  assert.strictEqual(ended.output, "")
  assert.lengthOf(ended.errors, 1)
  assert.notInclude(ended.errors[0], "\n")
  for (const text of says) assert.include(ended.errors[0], text)
})

const common = ["endpoint", "driver-name", "metrics-address", "log-format", "log-level", "drain-timeout", "node-id"]
const appliance = [
  "rds-address",
  "rds-port",
  "rds-user",
  "rds-key-file",
  "rds-host-key",
  "insecure-skip-host-key-check",
  "rds-insecure-skip-verify",
  "rds-volume-base-path",
  "nvme-address",
  "cluster-id",
  "pool-reserve",
  "ssh-connections",
  "ssh-connect-timeout",
  "ssh-read-timeout",
  "ssh-write-timeout",
  "ssh-idle-check",
  "ssh-rate-limit",
  "circuit-failures",
  "reconnect-pause",
  "attachments",
  "nodes",
  "kubeconfig",
  "rwx-policy",
  "attachment-grace-period",
  "attachment-reconcile-interval",
  "leader-election",
  "leader-election-lease-duration",
  "leader-election-namespace",
  "enable-orphan-reconciler",
  "orphan-check-interval",
  "orphan-grace-period",
  "orphan-dry-run"
]
const node = [
  "simulator-socket",
  "state-dir",
  "max-volumes",
  "device-timeout",
  "node-events",
  "watch-interval",
  "orphan-connection-grace-period"
]
const simulator = [
  "host",
  "port",
  "authorized-key",
  "policies",
  "host-key",
  "state-dir",
  "control-socket",
  "pool",
  "directory",
  "identity",
  "ros-version",
  "without-package",
  "latency",
  "jitter",
  "fault",
  "json"
]
const flags = (...names: ReadonlyArray<string>) => names.map((name) => `--${name}`)

describe("--help", () => {
  it.effect.each<readonly [command: string, words: ReadonlyArray<string>]>([
    ["controller", flags(...common, ...appliance)],
    ["node", flags(...common, ...node)],
    ["all", flags(...common, ...appliance, ...node)],
    ["simulator", [...flags(...simulator), "cut=before|during|after", "add-fault", "--unsure-busy-file"]],
    ["orphans", ["list", "remove"]],
    ["orphans list", [...flags("kubeconfig", "cluster-id", "rds-address", "output"), "Changes nothing"]],
    ["orphans remove", [...flags("kubeconfig", "cluster-id", "rds-address", "yes"), "volume-id"]],
    ["version", ["commit"]]
  ])("of %s names every flag", ([command, words]) =>
    Effect.gen(function*() {
      const { code, errors, output } = yield* runProgram([...command.split(" "), "--help"])
      assert.deepStrictEqual([code, errors], [0, []])
      for (const word of words) assert.include(output, word)
    }))
})

/** Flags without which a controller does not start. */
const address = "--rds-address=192.0.2.1"
const base = "--rds-volume-base-path=/storage-pool/metal-csi"
const reach = [address, base]
const controller = ["controller", ...reach]

describe("a wrong command line ends with 64 and names the flag, the value and what is allowed:", () => {
  it.effect.each<readonly [args: ReadonlyArray<string>, says: ReadonlyArray<string>]>([
    [["contoller"], ["contoller", "rds-csi --help"]],
    [["controller", base], ["--rds-address", "rds-csi controller --help"]],
    [["controller", address], ["--rds-volume-base-path"]],
    [["node", "--simulator-socket=/x"], ["--node-id"]],
    [["node", "--node-id=a b"], ["--node-id", "a b", "without blanks"]],
    [[...controller, "--rds-adress=x"], ["--rds-adress"]],
    [[...controller, "--rds-user=a", "--rds-user=b"], ["--rds-user", "at most 1"]],
    [["controller", base, "--rds-address="], ["--rds-address", "host name or address"]],
    [[...controller, "--rds-port=70000"], ["--rds-port", "70000", "1 to 65535"]],
    [[...controller, "--rds-port=22x"], ["--rds-port", "22x", "1 to 65535"]],
    [[...controller, "--ssh-connections=5"], ["--ssh-connections", "5", "1 to 4"]],
    [[...controller, "--ssh-rate-limit=-1"], ["--ssh-rate-limit", "-1", "0 or more"]],
    [[...controller, "--drain-timeout=5"], ["--drain-timeout", "\"5\"", "30s"]],
    [[...controller, "--pool-reserve=1GB"], ["--pool-reserve", "1GB", "Gi"]],
    [[...controller, "--nvme-address=rds"], ["--nvme-address", "rds", "IPv4 or IPv6"]],
    [[...controller, "--attachments=etcd"], ["--attachments", "etcd", "kubernetes or memory"]],
    [[...controller, "--orphan-check-interval=0s"], ["--orphan-check-interval", "0s", "1s or more"]],
    [[...controller, "--orphan-grace-period=1d"], ["--orphan-grace-period", "1d", "30s"]],
    [[...controller, "--orphan-dry-run=maybe"], ["--orphan-dry-run", "maybe"]],
    [["orphans", "list", ...reach, "--output=yaml"], ["--output", "yaml", "table or json"]],
    [["orphans", "list", address], ["--rds-volume-base-path"]],
    [["orphans", "remove", ...reach, "--yes"], ["volume-id"]],
    [["orphans", "remove", ...reach, "--yes", "a/b"], ["volume-id", "a/b", "Expected a volume id"]],
    [[...controller, "--rwx-policy=none"], ["--rwx-policy", "none", "warn or kubevirt-only or any"]],
    [[...controller, "--attachment-grace-period=30"], ["--attachment-grace-period", "\"30\"", "30s"]],
    [[...controller, "--leader-election-lease-duration=2500ms"], ["lease-duration", "2500ms", "3s or more"]],
    [[...controller, "--cluster-id=a b"], ["--cluster-id", "a b", "letters, digits"]],
    [[...controller, "--driver-name=-x"], ["--driver-name", "-x", "63"]],
    [[...controller, "--endpoint=http://x"], ["--endpoint", "http://x", "unix:///"]],
    [[...controller, "--metrics-address=9809"], ["--metrics-address", "9809", ":port"]],
    [["controller", address, "--rds-volume-base-path=/pool/../etc"], ["--rds-volume-base-path", "/pool/../etc", ".."]],
    [["controller", address, "--rds-volume-base-path=pool"], ["--rds-volume-base-path", "\"pool\"", "absolute"]],
    [["controller", address, "--rds-volume-base-path=/"], ["--rds-volume-base-path", "other than /"]]
  ])("%s", ([args, says]) => refused({ args, code: 64, says }))

  it.effect.each<readonly [env: Readonly<Record<string, string>>, says: ReadonlyArray<string>]>([
    [{ RDS_PORT: "ssh" }, ["--rds-port", "ssh", "1 to 65535"]],
    [{ LOG_FORMAT: "xml" }, ["--log-format", "xml", "json"]],
    [{ CSI_ENDPOINT: "http://x" }, ["--endpoint", "http://x"]],
    [{ RDS_NVME_ADDRESS: "rds" }, ["--nvme-address", "rds"]]
  ])("%o in the environment", ([env, says]) => refused({ args: controller, code: 64, env, says }))
})

describe("files that cannot be used end it with 78 and name the flag and the file:", () => {
  const files = Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const user = yield* generateSshKeyPair("user@test")
    const broken = user.privateKey.replace(/^.{20}/m, "").replace(/\n.{20}/, "\n")
    const texts = {
      user: user.privateKey,
      broken,
      public: user.publicKey,
      host: user.publicKey,
      damaged: "ssh-ed25519 AAAA",
      others: `rds.example ${user.publicKey}\n`,
      empty: ""
    }
    for (const [name, text] of Object.entries(texts)) yield* fs.writeFileString(`${directory}/${name}`, text)
    return { directory, secrets: user.privateKey.split("\n").slice(1, -2) }
  })

  it.effect.each<readonly [key: string, hostKey: string, says: ReadonlyArray<string>]>([
    ["none", "host", ["--rds-key-file", "none", "cannot be read"]],
    ["", "host", ["--rds-key-file", "cannot be read"]],
    ["empty", "host", ["--rds-key-file", "empty", "ssh-keygen"]],
    ["broken", "host", ["--rds-key-file", "broken", "ssh-keygen"]],
    ["public", "host", ["--rds-key-file", "public", "private one"]],
    ["user", "none", ["--rds-host-key", "none", "cannot be read"]],
    ["user", "damaged", ["--rds-host-key", "damaged", "line 1"]],
    ["user", "others", ["--rds-host-key", "others", "no key for 192.0.2.1"]],
    ["user", "empty", ["--rds-host-key", "empty", "ssh-keyscan"]]
  ])("key %j, host key %j", ([key, hostKey, says]) =>
    Effect.gen(function*() {
      const { directory, secrets } = yield* files
      const args = [...controller, `--rds-key-file=${directory}/${key}`, `--rds-host-key=${directory}/${hostKey}`]
      yield* refused({ args, code: 78, says })
      const { errors } = yield* runProgram(args)
      for (const secret of secrets) assert.notInclude(errors.join(), secret.slice(20, 40))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("a process that needs a cluster, and is in none", () =>
    Effect.gen(function*() {
      yield* refused({ args: ["node", "--node-id=node-a"], code: 78, says: ["--kubeconfig", "--node-events=none"] })
      const { directory } = yield* files
      const keys = [`--rds-key-file=${directory}/user`, `--rds-host-key=${directory}/host`]
      yield* refused({ args: [...controller, ...keys], code: 78, says: ["--kubeconfig", "--attachments=memory"] })
      yield* refused({
        args: [...controller, ...keys, "--nodes=node-a"],
        code: 78,
        says: ["--nodes", "--attachments=memory only"]
      })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect.each<readonly [flags: ReadonlyArray<string>, says: ReadonlyArray<string>]>([
    [["--attachments=memory"], ["--enable-orphan-reconciler", "--attachments=memory"]],
    [["--attachments=memory", "--orphan-dry-run=false"], ["--enable-orphan-reconciler", "--attachments=memory"]],
    [["--orphan-dry-run=false"], ["--orphan-dry-run=false", "--cluster-id", "default"]],
    [
      ["--orphan-dry-run=false", "--cluster-id=prod", "--orphan-grace-period=5m"],
      ["--orphan-grace-period 5m", "--orphan-dry-run=false", "1h or more"]
    ]
  ])(
    "an orphan reconciler that could not tell an orphan: %o",
    ([flags, says]) => refused({ args: [...controller, "--enable-orphan-reconciler", ...flags], code: 78, says })
  )

  it.effect("orphans without a cluster", () =>
    Effect.gen(function*() {
      const { directory } = yield* files
      const args = [...reach, `--rds-key-file=${directory}/user`, `--rds-host-key=${directory}/host`]
      yield* refused({ args: ["orphans", "list", ...args], code: 78, says: ["--kubeconfig"] })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("a simulator that nobody could log in to, or with a fault that is none", () =>
    Effect.gen(function*() {
      yield* refused({ args: ["simulator"], code: 78, says: ["--authorized-key"] })
      const { directory } = yield* files
      const args = ["simulator", `--authorized-key=csi=${directory}/public`, "--fault=cut=sometimes"]
      yield* refused({ args, code: 78, says: ["--fault", "sometimes", "before, during, after"] })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
