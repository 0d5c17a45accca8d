import { setFlagsFromString } from "node:v8"

/**
 * Importing this module makes V8 prefer little memory to speed, from then on. The driver waits for the appliance and the
 * kernel far longer than it computes, and is on every node: after 1 000 calls it has 80 MiB this way and 250 MiB otherwise,
 * where an echo server of grpc-js alone has 85. The optimizing compilers stay out for their own size: 20 MiB of code and
 * working memory. The simulator, which does compute, keeps them.
 */
if (process.argv[2] !== "simulator") {
  for (const flag of ["--optimize-for-size", "--no-turbofan", "--no-maglev"]) setFlagsFromString(flag)
}
