/** Major and minor number of a version as `/system/resource` prints it, e.g. `7.24.4 (stable)`; undefined when it is not one. */
export const parseVersion = (text: string): readonly [number, number] | undefined => {
  const [, major, minor] = /^([0-9]{1,4})\.([0-9]{1,4})(?:[.a-z0-9]*)(?: \([a-z-]+\))?$/.exec(text) ?? []
  return minor === undefined ? undefined : [Number(major), Number(minor)]
}

/** Whether the version is `floor` (e.g. "7.21") or newer. */
export const isAtLeast = (text: string, floor: string): boolean => {
  const version = parseVersion(text)
  const least = parseVersion(floor)
  if (version === undefined || least === undefined) return false
  return version[0] !== least[0] ? version[0] > least[0] : version[1] >= least[1]
}
