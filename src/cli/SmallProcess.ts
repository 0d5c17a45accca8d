import { setFlagsFromString } from "node:v8"

const role = (process.argv[2] ?? "").replace(/^-*/, "")

/**
 * Importing this module makes V8 prefer little memory to speed, from then on. The driver waits for the appliance and the
 * kernel far longer than it computes: after 1 000 calls it has 85 to 100 MB this way and 250 MB otherwise, where an echo server
 * of grpc-js alone has 90. Turbofan stays out for its own size. Maglev takes 12 MB and makes a call of the controller 2 ms
 * faster; the node plugin, of which every node runs one, does without. The simulator, which does compute, keeps everything.
 */
if (role !== "simulator") {
  for (const flag of ["--optimize-for-size", "--no-turbofan"]) setFlagsFromString(flag)
  if (role === "node") setFlagsFromString("--no-maglev")
}
