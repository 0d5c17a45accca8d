import { imagePath, withoutSlash } from "../volume/PathRules.ts"
import type { VolumeId } from "../volume/VolumeId.ts"
import type { RdsConfig } from "./RdsConfig.ts"
import { ros, type RosScript } from "./RouterOs.ts"

/**
 * CSI deletes a volume by its id alone, and only the volume's item tells where its backing file is. A file that is not
 * at its usual place, `<base>/<id>.img`, would be out of reach if a crash left it without an item. So as long as there
 * is none, before the item is added and after it is removed, the path is kept in the small file `<base>/<id>.path`.
 */
export interface Places {
  /** `/file` name of the backing file at its usual place. */
  readonly usual: string
  /** `/file` name of the record. */
  readonly record: string
}

export const placesOf = (id: VolumeId, { base }: RdsConfig): Places => ({
  usual: withoutSlash(imagePath(base, id)),
  record: withoutSlash(`${base}/${id}.path`)
})

/**
 * Writes down that the backing file is `file`, unless something is written down already or it is at its usual place.
 */
export const keepRecord = ({ record, usual }: Places, file: string): RosScript =>
  file === usual
    ? ros``
    : ros`:if ([:len [/file/find where name=${record}]] = 0) do={ /file/add name=${record} contents=${file} };`

/** Removes the record of `file` once `condition` holds; one of another file stays. */
export const dropRecord = ({ record, usual }: Places, file: string, condition: RosScript): RosScript =>
  file === usual ? ros`` : ros`:if (${condition}) do={
    :foreach i in=[/file/find where name=${record}] do={
      :if ([/file/get $i contents] = ${file}) do={ /file/remove $i }
    }
  };`
