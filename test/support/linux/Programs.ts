import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { getuid } from "node:process"

const missing = (programs: ReadonlyArray<string>) =>
  programs.filter((program) => spawnSync(program, ["--version"], { env: { PATH: path } }).error !== undefined)

const path = `/usr/sbin:/usr/bin:/sbin:/bin:${process.env["PATH"]}`

/** Whether programs of the host are there. On a developer's machine tests are skipped without them; CI must have them. */
export const areInstalled = (programs: ReadonlyArray<string>): boolean => {
  const absent = missing(programs)
  it.skipIf(process.env["CI"] !== "true")(`CI has ${programs.join(", ")}`, () => {
    assert.deepStrictEqual(absent, [])
  })
  return absent.length === 0
}

/** Whether this process may mount, in a mount namespace of its own, and has loop devices. */
export const mayMount = (): boolean =>
  getuid?.() === 0 && spawnSync(isolate, ["--mount", "losetup", "--find"], { env: { PATH: path } }).status === 0

const isolate = "unshare"
