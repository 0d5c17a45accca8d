import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { VolumePath } from "../../src/volume/PathRules.ts"
import { decode, type ParameterDefaults } from "../../src/volume/StorageClassParameters.ts"

const defaults: ParameterDefaults = {
  base: VolumePath.make("/storage-pool/metal-csi"),
  nvmeAddress: "10.0.1.1",
  rdsAddress: "10.0.0.1"
}

const accepted = (parameters: Record<string, string>, configured = defaults) =>
  Result.getOrThrow(decode(parameters, configured))

const refused = (parameters: Record<string, string>, configured = defaults) => {
  const result = decode(parameters, configured)
  return Result.isFailure(result) ? result.failure : assert.fail("accepted")
}

describe("StorageClass parameters", () => {
  it("all have defaults", () => {
    assert.deepStrictEqual(accepted({}), {
      parameters: {
        volumePath: defaults.base,
        nvmeAddress: "10.0.1.1",
        nvmePort: 4420,
        rdsAddress: "10.0.0.1",
        ctrlLossTmo: -1,
        reconnectDelay: 5,
        keepAliveTmo: 0,
        migrationTimeoutSeconds: 300
      },
      warnings: []
    })
  })

  it("are all taken from the class, without a warning", () => {
    const given = {
      volumePath: "/storage-pool/metal-csi/fast",
      nvmeAddress: "fd00::2",
      nvmePort: "4421",
      rdsAddress: "rds.example",
      ctrlLossTmo: "600",
      reconnectDelay: "2",
      keepAliveTmo: "10",
      migrationTimeoutSeconds: "900"
    }
    assert.deepStrictEqual(accepted(given), {
      parameters: {
        volumePath: VolumePath.make(given.volumePath),
        nvmeAddress: given.nvmeAddress,
        nvmePort: 4421,
        rdsAddress: given.rdsAddress,
        ctrlLossTmo: 600,
        reconnectDelay: 2,
        keepAliveTmo: 10,
        migrationTimeoutSeconds: 900
      },
      warnings: []
    })
  })

  it("that the CO keeps for its own sidecars, and empty ones, count as not given", () => {
    assert.deepStrictEqual(
      accepted({ "csi.storage.k8s.io/fstype": "xfs", "csi.storage.k8s.io/node-stage-secret-name": "s", nvmePort: "" }),
      accepted({})
    )
  })

  it.each(["volumepath", "encryption", "csi.storage.k8s.io.evil/x", "__proto__x"])(
    "refuse the unknown key %s",
    (key) => {
      assert.strictEqual(refused({ [key]: "x" }).field, key)
      assert.match(refused({ [key]: "x" }).message, /volumePath, nvmeAddress, .*migrationTimeoutSeconds/)
    }
  )

  it.each(["fsType", "sshPort", "nqnPrefix"])("accept %s without effect, with a warning", (key) => {
    const { parameters, warnings } = accepted({ [key]: "anything" })
    assert.deepStrictEqual(parameters, accepted({}).parameters)
    assert.lengthOf(warnings, 1)
    assert.include(warnings.join(), key)
  })
})

describe("nvmeAddress", () => {
  it.each([
    ["the class's own", { nvmeAddress: "10.9.9.9", rdsAddress: "10.8.8.8" }, defaults, "10.9.9.9"],
    ["the configured one", { rdsAddress: "10.8.8.8" }, defaults, "10.0.1.1"],
    ["the class's rdsAddress", { rdsAddress: "10.8.8.8" }, { ...defaults, nvmeAddress: "" }, "10.8.8.8"],
    ["the configured rdsAddress", {}, { ...defaults, nvmeAddress: "" }, "10.0.0.1"]
  ])("is %s first", (_, parameters: Record<string, string>, configured, expected) => {
    assert.strictEqual(accepted(parameters, configured).parameters.nvmeAddress, expected)
  })

  it.each(["rds.example", "10.0.0", "010.0.0.1", "10.0.0.1:4420", "fe80::1%eth0", " 10.0.0.1", "10.0.0.1\n"])(
    "refuses %j",
    (nvmeAddress) => {
      assert.strictEqual(refused({ nvmeAddress }).field, "nvmeAddress")
      assert.include(refused({ nvmeAddress }).message, JSON.stringify(nvmeAddress))
    }
  )

  it("is needed where the management address is a host name", () => {
    const configured = { ...defaults, nvmeAddress: "", rdsAddress: "rds.example" }
    assert.strictEqual(refused({}, configured).field, "nvmeAddress")
  })
})

describe("values that immutable classes of the Go driver may carry", () => {
  it.each([["", 4420, 0], ["abc", 4420, 1], ["4421tcp", 4421, 1], [" 4421", 4421, 1], ["04421", 4421, 1], [
    "4421",
    4421,
    0
  ]])(
    "nvmePort %j means %i",
    (nvmePort, port, warnings) => {
      const decoded = accepted({ nvmePort })
      assert.strictEqual(decoded.parameters.nvmePort, port)
      assert.lengthOf(decoded.warnings, warnings)
    }
  )

  it.each([
    ["30", 30, 0],
    ["3600", 3600, 0],
    ["29", 30, 1],
    ["3601", 3600, 1],
    ["0", 300, 1],
    ["-5", 300, 1],
    ["5m", 300, 1],
    ["99999999999999999999", 300, 1],
    ["300", 300, 0]
  ])("migrationTimeoutSeconds %j means %i", (migrationTimeoutSeconds, seconds, warnings) => {
    const decoded = accepted({ migrationTimeoutSeconds })
    assert.strictEqual(decoded.parameters.migrationTimeoutSeconds, seconds)
    assert.lengthOf(decoded.warnings, warnings)
    for (const warning of decoded.warnings) assert.include(warning, JSON.stringify(migrationTimeoutSeconds))
  })
})

describe("values that cannot work", () => {
  it.each([
    ["nvmePort", "0"],
    ["nvmePort", "65536"],
    ["nvmePort", "-1"],
    ["ctrlLossTmo", "-2"],
    ["ctrlLossTmo", "1.5"],
    ["ctrlLossTmo", "2147483648"],
    ["reconnectDelay", "0"],
    ["reconnectDelay", "five"],
    ["keepAliveTmo", "-1"],
    ["keepAliveTmo", "0x10"],
    ["volumePath", "/storage-pool/metal-csi2"],
    ["volumePath", "/storage-pool/metal-csi/../x"],
    ["rdsAddress", "a b"]
  ])("%s %j is refused by name", (key, value) => {
    assert.strictEqual(refused({ [key]: value }).field, key)
    assert.include(refused({ [key]: value }).message, key)
  })

  it.each([["ctrlLossTmo", "-1"], ["ctrlLossTmo", "0"], ["reconnectDelay", "1"], ["keepAliveTmo", "0"]] as const)(
    "%s may be %s",
    (key, value) => {
      assert.strictEqual(accepted({ [key]: value }).parameters[key], Number(value))
    }
  )
})
