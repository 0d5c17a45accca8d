import { Deferred, Effect, Layer } from "effect"
import { ApplianceUnavailable } from "../../src/rds/Errors.ts"
import { type SshSession, SshTransport } from "../../src/rds/SshTransport.ts"

/** What a test can see and change of the other end while it runs. */
interface Appliance {
  /** What a new connection meets. */
  door: "open" | "refused" | "silent"
  /** What a command meets. */
  commands: "answered" | "unanswered" | "cut" | "garbled"
  /** Milliseconds. */
  commandTime: number
  version: string
  storagePackages: number
  /** What commands print before they end well. */
  prints: string
  connects: number
  probes: number
  /** Every command but those of the probe, with the number of the connection it came over. */
  readonly commandsSeen: Array<{ readonly connection: number; readonly line: string }>
  mostAtOnceOnOneConnection: number
  readonly openConnections: () => number
  /** As a reboot does it. */
  readonly dropAll: Effect.Effect<unknown>
}

/** A transport without network whose behaviour a test changes as it goes; time in it is the test's clock. */
export const makeFakeAppliance = () => {
  const sessions = new Set<Deferred.Deferred<string>>()
  const running = new Map<number, number>()
  const appliance: Appliance = {
    door: "open",
    commands: "answered",
    commandTime: 50,
    version: "7.24.4 (stable)",
    storagePackages: 1,
    prints: "",
    connects: 0,
    probes: 0,
    commandsSeen: [],
    mostAtOnceOnOneConnection: 0,
    openConnections: () => sessions.size,
    dropAll: Effect.suspend(() => Effect.forEach(sessions, (closed) => Deferred.succeed(closed, "ECONNRESET")))
  }

  const answer = (line: string): string => {
    const nonce = /:put \("(\w+) ok"/.exec(line)?.[1] ?? ""
    const facts = line.includes("/system/resource")
      ? `version "${appliance.version}"\r\nstorage ${appliance.storagePackages}\r\n`
      : appliance.prints
    const labels = facts.split("\r\n").slice(0, -1).map((fact) => ` ${fact.split(" ")[0]}`)
    return appliance.commands === "garbled" ? "disks [{" : `${facts}${nonce} ok${labels.join("")}\r\n`
  }

  const exec = Effect.fnUntraced(function*(connection: number, closed: Deferred.Deferred<string>, line: string) {
    if (line.includes("/system/resource")) appliance.probes += 1
    else appliance.commandsSeen.push({ connection, line })
    const atOnce = (running.get(connection) ?? 0) + 1
    running.set(connection, atOnce)
    appliance.mostAtOnceOnOneConnection = Math.max(appliance.mostAtOnceOnOneConnection, atOnce)
    const end = Effect.as(Deferred.await(closed), "")
    const work = Effect.sleep(appliance.commandTime).pipe(Effect.andThen(Effect.suspend(() => {
      if (appliance.commands === "unanswered") return Effect.never
      return appliance.commands === "cut"
        ? Effect.as(Deferred.succeed(closed, "ECONNRESET"), "")
        : Effect.succeed(answer(line))
    })))
    return yield* Effect.raceFirst(work, end).pipe(
      Effect.ensuring(
        Effect.sync(() => running.set(connection, (running.get(connection) ?? 1) - 1))
      )
    )
  })

  const connect = Effect.gen(function*() {
    const connection = ++appliance.connects
    if (appliance.door === "silent") return yield* Effect.never
    if (appliance.door === "refused") {
      return yield* new ApplianceUnavailable({ reason: "unreachable", message: "ECONNREFUSED" })
    }
    const closed = Deferred.makeUnsafe<string>()
    yield* Effect.acquireRelease(
      Effect.sync(() => sessions.add(closed)),
      () => Effect.andThen(Effect.sync(() => sessions.delete(closed)), Deferred.succeed(closed, "closed by the driver"))
    )
    return { exec: (line) => exec(connection, closed, line), closed: Deferred.await(closed) } satisfies SshSession
  })

  return { appliance, transport: Layer.succeed(SshTransport, { address: "rds.example:22", connect }) }
}
