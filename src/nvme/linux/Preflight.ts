import { Effect, FileSystem, Schema } from "effect"
import { HostCommand } from "../../linux/HostCommand.ts"

/** This node cannot use NVMe/TCP; the message says what is missing and how to provide it. */
class NvmeTcpUnavailable extends Schema.TaggedError<NvmeTcpUnavailable>()("NvmeTcpUnavailable", {
  message: Schema.String
}) {}

/** To be asked once, before a node takes volumes: whether it can connect over NVMe/TCP. Answers nvme-cli's own version line. */
export const requireNvmeTcp = Effect.fn("requireNvmeTcp")(
  function*({ sysRoot, devRoot }: { readonly sysRoot: string; readonly devRoot: string }) {
    const fs = yield* FileSystem.FileSystem
    const exists = (path: string) => Effect.orElseSucceed(fs.exists(path), () => false)
    const device = `${devRoot}/nvme-fabrics`
    if (!(yield* exists(device))) {
      return yield* (yield* exists(`${sysRoot}/module/nvme_tcp`)) ? deviceHidden(device) : moduleMissing
    }
    if (!(yield* exists(`${sysRoot}/class/nvme`))) return yield* sysfsHidden(sysRoot)
    return yield* programVersion
  }
)

const programVersion = Effect.gen(function*() {
  const commands = yield* HostCommand
  const { code, stdout, stderr } = yield* commands.run("nvme", ["version"], { limit: "10 seconds" }).pipe(
    Effect.catchTag("CommandFailed", ({ message }) => Effect.fail(programUnusable(message)))
  )
  if (code !== 0) return yield* programUnusable(`nvme version ended with code ${code}: ${stderr.trim().slice(0, 300)}`)
  return stdout.trim().split("\n")[0] ?? ""
})

const moduleMissing = new NvmeTcpUnavailable({
  message:
    "the kernel module nvme-tcp is not loaded on this node. Load it on the host with `modprobe nvme-tcp`, and at every " +
    "boot with a line `nvme-tcp` in /etc/modules-load.d/nvme-tcp.conf (NixOS: boot.kernelModules = [ \"nvme-tcp\" ])"
})

const deviceHidden = (device: string) =>
  new NvmeTcpUnavailable({
    message: `the kernel module nvme-tcp is loaded, and ${device} is missing: the node plugin must see the host's /dev`
  })

const sysfsHidden = (sysRoot: string) =>
  new NvmeTcpUnavailable({
    message: `${sysRoot}/class/nvme is missing: the node plugin must see the host's /sys`
  })

const programUnusable = (problem: string) =>
  new NvmeTcpUnavailable({ message: `the program nvme (package nvme-cli) cannot be used: ${problem}` })
