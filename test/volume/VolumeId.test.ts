import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import * as Uuid from "../../src/volume/Uuid.ts"
import { VolumeId } from "../../src/volume/VolumeId.ts"
import { looseId, uuid } from "./samples.ts"

const known = "pvc-0f6e1e4c-2c1d-4a0e-9f5b-1a2b3c4d5e6f"

describe("VolumeId.fromName", () => {
  it("keeps the provisioner's own names, so that the id is the PersistentVolume's name", () => {
    assert.strictEqual(VolumeId.fromName(known), known)
  })

  it("maps every other name to the name-based UUID that Python's uuid5(NAMESPACE_DNS, name) gives", () => {
    assert.strictEqual(VolumeId.fromName("python.org"), "pvc-886313e1-3b8a-5372-9b90-0c9aee199e5d")
    assert.strictEqual(VolumeId.fromName("größe"), `pvc-${Uuid.v5("größe")}`)
    assert.strictEqual(VolumeId.fromName(known.toUpperCase()), `pvc-${Uuid.v5(known.toUpperCase())}`)
  })

  it("tells csi-sanity's attach-limit names apart", () => {
    const names = [1, 2].map((n) => `sanity-max-attach-limit-vol+${n}`)
    assert.strictEqual(new Set(names.map(VolumeId.fromName)).size, 2)
  })

  it.prop(
    "any name gives a valid id, always the same, and tells names apart",
    [Schema.String, Schema.String],
    ([a, b]) => {
      const id = VolumeId.fromName(a)
      assert.deepStrictEqual(VolumeId.parse(id), Option.some(id))
      assert.strictEqual(VolumeId.fromName(a), id)
      assert.strictEqual(id === VolumeId.fromName(b), a.toWellFormed() === b.toWellFormed())
      assert.lengthOf(VolumeId.slot(id), 30)
    }
  )
})

describe("VolumeId.parse", () => {
  it.each([known, "sanity-vol", "A-b-9", "x".repeat(198)])("accepts %s", (id) => {
    assert.deepStrictEqual(VolumeId.parse(id), Option.some(VolumeId.schema.make(id)))
  })

  it.each([
    "",
    "pvc-",
    "pvc-1",
    known.toUpperCase(),
    `${known}x`,
    ` ${known}`,
    `${known}\n`,
    known.slice(4),
    known.slice(4).toUpperCase(),
    VolumeId.slot(VolumeId.fromName(known)),
    "PVC-volume",
    "vol_1",
    "vol.1",
    "../etc",
    "größe",
    "x".repeat(199)
  ])("knows that no volume has the id %j", (id) => {
    assert.isTrue(Option.isNone(VolumeId.parse(id)))
  })
})

describe("VolumeId.slot", () => {
  it("is pvc- and the RFC 4648 base32 of the UUID's 16 bytes", () => {
    const id = VolumeId.fromName("pvc-00112233-4455-6677-8899-aabbccddeeff")
    assert.strictEqual(VolumeId.slot(id), "pvc-aaisem2ekvthpcezvk54zxpo74")
  })

  it.prop("round trips every 128-bit UUID in both forms", [uuid], ([digits]) => {
    const id = VolumeId.fromName(`pvc-${digits}`)
    assert.match(VolumeId.slot(id), /^pvc-[a-z2-7]{26}$/)
    assert.deepStrictEqual(VolumeId.slots(id), [VolumeId.slot(id), id])
    for (const slot of VolumeId.slots(id)) assert.deepStrictEqual(VolumeId.fromSlot(slot), Option.some(id))
  })

  it.prop("leaves a loose id as it is", [looseId], ([id]) => {
    assert.deepStrictEqual(VolumeId.slots(id), [id])
    assert.deepStrictEqual(VolumeId.fromSlot(VolumeId.slot(id)), Option.some(id))
  })

  it.prop(
    "two volumes never share a slot, whatever the case, also where RouterOS cuts slots at 32 characters",
    [uuid, uuid, looseId],
    ([first, second, loose]) => {
      const cut = (slot: string) => slot.slice(0, 32).toLowerCase()
      const a = VolumeId.fromName(`pvc-${first}`)
      const b = VolumeId.fromName(`pvc-${second}`)
      assert.strictEqual(cut(VolumeId.slot(a)) === cut(VolumeId.slot(b)), a === b)
      for (const other of [a, b, loose]) assert.notStrictEqual(cut(VolumeId.slot(a)), cut(other))
    }
  )

  it.prop("no loose id looks like a new slot, with any ending and in any case", [uuid, looseId], ([digits, ending]) => {
    const slot = VolumeId.slot(VolumeId.fromName(`pvc-${digits}`))
    for (const text of [slot + ending, slot.toUpperCase(), slot.toUpperCase() + ending, slot.replace("p", "P")]) {
      assert.isTrue(Option.isNone(VolumeId.parse(text)), text)
    }
  })
})

describe("VolumeId.fromSlot", () => {
  it.prop("finds a volume only where slots names the slot", [
    Schema.String.check(Schema.isPattern(/^pvc-[a-z2-7]{26}$/))
  ], ([slot]) => {
    for (const id of Option.toArray(VolumeId.fromSlot(slot))) assert.include(VolumeId.slots(id), slot)
  })

  it("refuses spare bits at the end, other alphabets and cut ids", () => {
    const slot = VolumeId.slot(VolumeId.fromName(known))
    assert.isTrue(Option.isSome(VolumeId.fromSlot(slot)))
    for (
      const foreign of [
        `${slot.slice(0, -1)}b`,
        slot.toUpperCase(),
        `${slot.slice(0, -1)}1`,
        slot.slice(0, -1),
        known.slice(0, 32)
      ]
    ) {
      assert.isTrue(Option.isNone(VolumeId.fromSlot(foreign)), foreign)
    }
  })
})
