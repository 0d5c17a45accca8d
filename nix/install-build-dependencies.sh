# Installs into ./node_modules only what the bundle is built from: the production dependencies and rolldown. The result
# depends on package-lock.json and the platform alone, not on the version of npm, so that Nix can fix its hash.
# Arguments are passed to npm: --cpu=arm64 installs for another machine.
set -euo pipefail

node --eval '
  const { readFileSync, writeFileSync } = require("node:fs")
  const manifest = JSON.parse(readFileSync("package.json", "utf8"))
  const { rolldown } = manifest.devDependencies
  writeFileSync("package.json", JSON.stringify({ ...manifest, devDependencies: { rolldown } }))
'
npm ci --ignore-scripts --no-audit --no-fund "$@"
rm -rf node_modules/.bin node_modules/.package-lock.json
find node_modules -type d -empty -delete
