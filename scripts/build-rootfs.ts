/**
 * Makes the file set of image/Dockerfile in a directory, without a container engine, and runs every program in it.
 *
 *     node scripts/build-rootfs.ts /tmp/rootfs
 *
 * As root. It takes a minute the first time, and 400 MB, and is no part of `npm run check`; test/vm/Image.test.ts runs the node
 * plugin in it.
 */
import { buildRootfs, missingForRootfs } from "./image/rootfs.ts"
import { conclude, must } from "./run.ts"

const [tree] = process.argv.slice(2)
const missing = await missingForRootfs()
if (tree === undefined || missing.length > 0) {
  conclude(
    [`node scripts/build-rootfs.ts <directory>, as root${missing.map((one) => `; ${one} missing`).join("")}`],
    ""
  )
} else {
  const versions = await buildRootfs(tree)
  conclude([], `${versions}${await must(["du", "-sh", tree])}`)
}
