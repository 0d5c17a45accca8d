import { Option, Result } from "effect"
import { InvalidArgument } from "./Errors.ts"
import { validateUnder, type VolumePath } from "./PathRules.ts"
import { coPrefix } from "./StorageClassParameters.ts"

/** A key that the Go driver's example class shows and that never had an effect. */
const withoutEffect = "btrfsFSLabel"

/**
 * Decodes the parameters of a VolumeSnapshotClass, of which there is one: `volumePath`, the directory of the snapshots. An
 * empty value counts as a key that is not given. The warnings are about what has no effect.
 */
export const decode = (
  parameters: Readonly<Record<string, string>>,
  base: VolumePath
): Result.Result<
  { readonly directory: Option.Option<VolumePath>; readonly warnings: ReadonlyArray<string> },
  InvalidArgument
> => {
  const { [withoutEffect]: label = "", volumePath = "", ...others } = parameters
  const unknown = Object.entries(others).find(([key, value]) => value !== "" && !key.startsWith(coPrefix))?.[0]
  if (unknown !== undefined) {
    return Result.fail(
      new InvalidArgument({
        field: unknown,
        message: `VolumeSnapshotClass parameter ${JSON.stringify(unknown)} is not known: there is only volumePath`
      })
    )
  }
  const warnings = label === "" ? [] : [`parameter ${withoutEffect} has no effect: leave it out of the class`]
  return volumePath === ""
    ? Result.succeed({ directory: Option.none(), warnings })
    : Result.map(validateUnder(base, volumePath, "volumePath"), (path) => ({ directory: Option.some(path), warnings }))
}
