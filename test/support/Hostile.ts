import { type DescField, type DescMessage, type DescOneof, ScalarType } from "@bufbuild/protobuf"
import { Arbitrary, Schema } from "effect"
import { VolumeCapability_AccessMode_Mode as Mode } from "../../src/csi/gen/csi_pb.ts"
import { GiB } from "./Requests.ts"

type Values<A> = Arbitrary.Arbitrary<A>

/** What fields hold, by their name in the protocol, wherever it stands; undefined leaves the field out. */
export type Pools = Readonly<Record<string, Values<unknown>>>

export const oneOf = <A>(...choices: ReadonlyArray<Values<A>>): Values<A> =>
  Arbitrary.flatMap(
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: choices.length - 1 }))),
    (n) => choices[n] ?? oneOf(...choices)
  )

export const among = <A>(...values: ReadonlyArray<A>) => oneOf(...values.map((value) => Arbitrary.Constant(value)))

/** Mostly the value of a good request, so that the other fields are looked at as well. */
export const mostly = <A>(good: A, hostile: Values<A>) => oneOf(among(good, good, good), hostile)

/** Texts that have broken drivers: commands, control characters, lone surrogates, lengths about the limits. */
export const text: Values<string> = oneOf(
  Arbitrary.schema(Schema.String),
  among(
    "",
    " ",
    ".",
    "/",
    "../../etc",
    "\0",
    "a\u0007b",
    "line\r\n:put broken",
    "\u2028\u202e\u200b\ufeff",
    "\ud800 alone",
    "😀".repeat(32),
    "x".repeat(128),
    "x".repeat(129),
    "ä".repeat(5000),
    "\"; /system/reboot; \"",
    "$[/disk/remove [find]]",
    "\\\"{$x}[:put 1]",
    "__proto__",
    "constructor",
    "%s%n%00",
    "pvc-",
    "pvc-AAAAAAAA-0000-4000-8000-000000000000"
  )
)

/** Sizes about the limits of a volume, of a request, and of 64 bits. */
export const size: Values<bigint> = oneOf(
  Arbitrary.map(Arbitrary.schema(Schema.Int), BigInt),
  among(0n, 1n, -1n, GiB - 1n, GiB, GiB + 1n, 1500n * GiB, 1n << 44n, (1n << 44n) + 1n, (1n << 63n) - 1n, -(1n << 63n))
)

/** Maps of up to three entries, mostly of these names and values. */
export const mapOf = (names: Values<string>, values: Values<string>): Values<Readonly<Record<string, string>>> =>
  Arbitrary.map(
    Arbitrary.array(Arbitrary.all([oneOf(names, text), oneOf(values, text)]), { maxLength: 3 }),
    (entries) => Object.fromEntries(entries)
  )

const accessType = oneOf<unknown>(
  among({ case: "block", value: {} }, { case: undefined }),
  Arbitrary.map(
    Arbitrary.all([oneOf(among("", "xfs"), text), Arbitrary.array(text, { maxLength: 2 }), among("", "", "0")]),
    ([fsType, mountFlags, volumeMountGroup]) => ({ case: "mount", value: { fsType, mountFlags, volumeMountGroup } })
  )
)

/** Volume capabilities of every mode with every kind of access. */
export const capability: Values<unknown> = Arbitrary.map(
  Arbitrary.all([among(...Object.values(Mode).filter((mode) => typeof mode === "number")), accessType]),
  ([mode, accessType]) => ({ accessMode: { mode }, accessType })
)

/** Messages of any type, as what `create` takes; what `pools` does not name is drawn by its type alone. */
export const messageOf = (desc: DescMessage, pools: Pools): Values<Record<string, unknown>> =>
  Arbitrary.map(
    Arbitrary.all(
      desc.members.map((member) =>
        Arbitrary.map(
          member.kind === "oneof" ? oneofValue(member, pools) : fieldValue(member, pools),
          (value) => [member.localName, value] as const
        )
      )
    ),
    (entries) => Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  )

const oneofValue = ({ fields }: DescOneof, pools: Pools): Values<unknown> =>
  oneOf<unknown>(
    Arbitrary.Constant({ case: undefined }),
    ...fields.map((field) =>
      Arbitrary.map(fieldValue(field, pools), (value) => ({ case: field.localName, value: value ?? {} }))
    )
  )

const fieldValue = (field: DescField, pools: Pools): Values<unknown> => {
  const pool = pools[field.name]
  if (pool !== undefined) return pool
  switch (field.fieldKind) {
    case "message":
      return oneOf<unknown>(Arbitrary.Constant(undefined), messageOf(field.message, pools))
    case "list":
      return Arbitrary.array<unknown>(field.message === undefined ? text : messageOf(field.message, pools), {
        maxLength: 2
      })
    case "map":
      return mapOf(text, text)
    case "enum":
      return among(...field.enum.values.map(({ number }) => number), 99)
    case "scalar":
      return scalarValue(field.scalar)
  }
}

const scalarValue = (scalar: ScalarType): Values<unknown> => {
  switch (scalar) {
    case ScalarType.BOOL:
      return among(true, false)
    case ScalarType.INT64:
      return size
    case ScalarType.INT32:
      return among(0, 1, 2, -1, 2 ** 31 - 1, -(2 ** 31))
    default:
      return text
  }
}
