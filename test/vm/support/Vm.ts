import { Clock, Duration, Effect, Exit, FileSystem, Ref, Schedule, Scope } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import type { VmImage } from "../../../scripts/vm/image.ts"
import { freePort } from "../../support/FreePort.ts"
import { agentClient, GuestError, type RunOptions } from "./Agent.ts"

export interface VmOptions {
  readonly name: string
  /** Address and prefix on the LAN. */
  readonly address: string
  /** Last byte of the network card's address. */
  readonly number: number
  /** Kernel modules to load at boot. */
  readonly modules: ReadonlyArray<string>
  /** TCP ports of the machine that the test connects to. */
  readonly ports: ReadonlyArray<number>
  readonly image: VmImage
  /** Read-only disk with what is tested, at /programs. */
  readonly programs: string
  /** A read-only disk more, which it does not mount. */
  readonly extraDisk?: string | undefined
  /** For the machine's own disk (at /var/lib) and its console. */
  readonly directory: string
  /** Socket of the LAN. */
  readonly lan: string
}

/** A machine. It keeps its disk over reboots, and ends with the scope. */
export type Vm = Effect.Success<ReturnType<typeof makeVm>>

const agentPort = 7001

/** No machine outlives a test run that was killed, nor hangs for longer than this. */
const longestLife = "3600"

/** A machine that is off. */
export const makeVm = Effect.fnUntraced(function*(options: VmOptions) {
  const { name } = options
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const files = yield* FileSystem.FileSystem
  const scope = yield* Scope.Scope
  const disk = `${options.directory}/${name}.img`
  const consoleFile = `${options.directory}/${name}.console`
  const ports = new Map<number, number>()
  for (const port of [agentPort, ...options.ports]) ports.set(port, yield* freePort)
  const agent = agentClient(name, ports.get(agentPort) ?? 0)
  const power = yield* Ref.make<{ readonly life: Scope.Closeable; readonly ended: Effect.Effect<void> } | undefined>(
    undefined
  )

  const makeDisk = spawner.exitCode(ChildProcess.make("mkfs.ext4", ["-q", disk, "6G"])).pipe(Effect.orDie)
  if ((yield* makeDisk) !== 0) return yield* Effect.die(`mkfs.ext4 ${disk} failed`)

  const failed = Effect.fnUntraced(function*(what: string) {
    const console = yield* Effect.orElseSucceed(files.readFileString(consoleFile), () => "no console")
    return yield* new GuestError({ machine: name, message: `${name} ${what}:\n${console.slice(-4000)}` })
  })

  const powerOn = Effect.gen(function*() {
    const life = yield* Scope.fork(scope)
    const process = yield* spawner.spawn(qemu(options, ports, disk, consoleFile)).pipe(
      Scope.provide(life),
      Effect.orDie
    )
    const ended = Effect.asVoid(Effect.exit(process.exitCode))
    yield* Ref.set(power, { life, ended })
    const answers = agent.run(["true"]).pipe(
      Effect.timeout("2 seconds"),
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.timeoutOrElse({ duration: "5 minutes", orElse: () => failed("did not come up") })
    )
    yield* Effect.raceFirst(answers, Effect.andThen(ended, failed("ended")))
  })

  /** Pulls the plug. */
  const cut = Effect.gen(function*() {
    const running = yield* Ref.getAndSet(power, undefined)
    if (running !== undefined) yield* Scope.close(running.life, Exit.void)
  })

  return {
    ...agent,
    name,
    /** Boots, and waits until the machine does what it is told. */
    powerOn,
    cut,
    /** Shuts down in order: programs end, file systems are unmounted. */
    powerOff: Effect.gen(function*() {
      const running = yield* Ref.get(power)
      yield* agent.run(["/bin/busybox", "poweroff"])
      if (running !== undefined) yield* Effect.timeout(running.ended, Duration.seconds(60)).pipe(Effect.orDie)
      yield* cut
    }),
    /** A script that has to succeed; answers what it wrote, without blanks at the ends. */
    sh: Effect.fnUntraced(function*(script: string, options: RunOptions = {}) {
      const { code, stderr, stdout } = yield* agent.run(["sh", "-euc", script], options)
      if (code === 0) return stdout.trim()
      return yield* new GuestError({
        machine: name,
        message: `${name}: ${script} ended with ${code}: ${stderr}${stdout}`
      })
    }),
    /** How many milliseconds the test's clock is ahead of the machine's uptime. */
    clockOffset: Effect.gen(function*() {
      const before = yield* Clock.currentTimeMillis
      const [seconds] = new TextDecoder().decode(yield* agent.readFile("/proc/uptime")).split(" ")
      const after = yield* Clock.currentTimeMillis
      return (before + after) / 2 - Number(seconds) * 1000
    }),
    /** Where this machine's TCP port is on the test's side. */
    port: (port: number): number => ports.get(port) ?? 0
  }
})

/** Emulated: hardware virtualisation is not to be had everywhere, and two ways would be two behaviours. */
const qemu = (options: VmOptions, ports: ReadonlyMap<number, number>, disk: string, consoleFile: string) => {
  const { extraDisk, image, lan, name, number, programs } = options
  const forwards = [...ports].map(([guest, host]) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`).join("")
  const drive = (id: string, file: string, more = "") => [
    "-drive",
    `id=${id},file=${file},format=raw,if=none${more}`,
    "-device",
    `virtio-blk-pci,drive=${id}`
  ]
  const card = (id: string, mac: string) => ["-device", `virtio-net-pci,netdev=${id},mac=${mac},romfile=`]
  const kernel = [
    "console=ttyS0 net.ifnames=0 loglevel=4 panic=-1 mitigations=off",
    `vm.name=${name} vm.address=${options.address} vm.modules=${options.modules.join(",")}`
  ]
  return ChildProcess.make(
    "setpriv",
    [
      ["--pdeathsig=KILL", "timeout", "--signal=KILL", longestLife, "setpriv", "--pdeathsig=KILL"],
      ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
      ["-machine", "pc", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max", "-smp", "1", "-m", "640"],
      ["-kernel", image.kernel, "-initrd", image.initrd, "-append", kernel.join(" ")],
      ["-serial", `file:${consoleFile}`],
      drive("root", image.disk, ",readonly=on"),
      drive("programs", programs, ",readonly=on"),
      drive("state", disk),
      extraDisk === undefined ? [] : drive("extra", extraDisk, ",readonly=on"),
      ["-netdev", `user,id=management,restrict=on,ipv6=off${forwards}`, ...card("management", "52:54:00:00:00:01")],
      ["-netdev", `stream,id=lan,server=off,addr.type=unix,addr.path=${lan}`],
      card("lan", `52:54:00:00:01:${number.toString(16).padStart(2, "0")}`)
    ].flat(),
    { stdin: "ignore", stdout: "ignore", stderr: "inherit", killSignal: "SIGKILL" }
  )
}
