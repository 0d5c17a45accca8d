import { Console } from "effect"
import { Command } from "effect/cli"

/** The bundler replaces both by what it built from; sources that run unbundled are a development build. */
export const build = {
  version: process.env.RDS_CSI_VERSION ?? "0.0.0-dev",
  commit: process.env.RDS_CSI_COMMIT ?? "unknown"
}

/** `rds-csi version` */
export const versionCommand = Command.make(
  "version",
  {},
  () => Console.log(`rds-csi ${build.version} (commit ${build.commit}, node ${process.version})`)
).pipe(
  Command.withDescription("Print the version, the commit it was built from and the Node.js release it runs on")
)
