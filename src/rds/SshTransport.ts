import { Context, Deferred, Effect, Exit, Layer, Redacted, type Scope } from "effect"
import ssh2 from "ssh2"
import { ApplianceAuthFailed, ApplianceUnavailable } from "./Errors.ts"
import { fingerprint, type Host, type HostKeys } from "./HostKey.ts"
import type { UserKey } from "./UserKey.ts"

/** Where the appliance is, and who we are to each other. */
export interface SshTarget extends Host {
  readonly user: string
  readonly userKey: UserKey
  /** `insecure` accepts any host key: whoever answers at the address then gets our commands. */
  readonly hostKeys: HostKeys | "insecure"
}

/** One authenticated SSH connection. RouterOS stalls with several channels, so only one exec may run at a time. */
export interface SshSession {
  /**
   * Runs one line and answers everything it printed, on either stream, once its channel has closed, also when the
   * connection broke: the caller looks for its sentinel. Interrupting it leaves the command running on the appliance.
   */
  readonly exec: (line: string) => Effect.Effect<string>
  /** Waits for the end of the connection; answers why it ended. */
  readonly closed: Effect.Effect<string>
}

/** Opens SSH connections to the appliance. Waits without limit; the caller sets one. */
export class SshTransport extends Context.Service<SshTransport, {
  /** `host:port`, for logs and metrics; never for messages that leave the process. */
  readonly address: string
  readonly connect: Effect.Effect<SshSession, ApplianceUnavailable | ApplianceAuthFailed, Scope.Scope>
}>()("rds-csi/rds/SshTransport") {
  static readonly layer = (target: SshTarget) =>
    Layer.succeed(SshTransport, { address: `${target.host}:${target.port}`, connect: connect(target) })
}

const connect = Effect.fnUntraced(function*(target: SshTarget) {
  const closed = Deferred.makeUnsafe<string>()
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new ssh2.Client()),
    (client, exit) => end(client, closed, Exit.isSuccess(exit))
  )
  yield* handshake(client, target, closed)
  return { exec: (line) => exec(client, line), closed: Deferred.await(closed) } satisfies SshSession
})

const handshake = (client: ssh2.Client, target: SshTarget, closed: Deferred.Deferred<string>) =>
  Effect.callback<void, ApplianceUnavailable | ApplianceAuthFailed>((resume) => {
    const { hostKeys } = target
    let refusedKey: Buffer | undefined
    client.once("ready", () => resume(Effect.void))
    // The listener stays for life: an "error" event without one would end the process.
    client.on("error", (error) => {
      resume(Effect.fail(refusedKey === undefined ? failureOf(error, target) : hostKeyRefused(hostKeys, refusedKey)))
      Deferred.doneUnsafe(closed, Effect.succeed(reasonOf(error)))
    })
    client.once("close", () => {
      resume(Effect.fail(unreachable("closed the connection")))
      Deferred.doneUnsafe(closed, Effect.succeed("closed by the appliance"))
    })
    const hostVerifier = (key: Buffer) => {
      const accepted = hostKeys === "insecure" || hostKeys.accepts(key)
      if (!accepted) refusedKey = key
      return accepted
    }
    client.connect({
      host: target.host,
      port: target.port,
      username: target.user,
      privateKey: Redacted.value(target.userKey.pem),
      authHandler: ["publickey"],
      readyTimeout: 0,
      hostVerifier,
      algorithms: { serverHostKey: preferred(hostKeys) }
    })
    client.setNoDelay(true)
  })

/** Ends the session on the appliance; a connection that failed is not worth waiting for. */
const end = (client: ssh2.Client, closed: Deferred.Deferred<string>, gracefully: boolean) =>
  (gracefully
    ? Effect.sync(() => client.end()).pipe(
      Effect.andThen(Deferred.await(closed)),
      Effect.timeoutOption("1 second")
    )
    : Effect.void).pipe(
      Effect.andThen(Effect.sync(() => {
        client.destroy()
        Deferred.doneUnsafe(closed, Effect.succeed("closed by the driver"))
      }))
    )

const exec = (client: ssh2.Client, line: string) =>
  Effect.callback<string>((resume) => {
    const output: Array<Buffer> = []
    const finish = () => {
      client.off("close", finish)
      resume(Effect.sync(() => Buffer.concat(output).toString()))
    }
    client.once("close", finish)
    // On a connection that has just closed the library throws instead of telling the callback.
    try {
      client.exec(line, (error, channel) => {
        if (error !== undefined) return finish()
        const collect = (chunk: Buffer) => output.push(chunk)
        channel.on("data", collect).on("close", finish).stderr.on("data", collect)
        channel.end()
      })
    } catch {
      finish()
    }
    return Effect.sync(() => client.off("close", finish))
  })

const hostKeyAlgorithms = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]
} as const

/**
 * The client's order decides which of its host keys a server shows (RFC 4253, section 7.1): pinned types come first.
 * The others stay, so that a mismatch is told with the key that was seen.
 */
const preferred = (hostKeys: HostKeys | "insecure") => {
  const pinned = hostKeys === "insecure" ? [] : hostKeys.types
  const isPinned = ([type]: readonly [string, unknown]) => pinned.includes(type)
  const all = Object.entries(hostKeyAlgorithms)
  return [...all.filter(isPinned), ...all.filter((entry) => !isPinned(entry))].flatMap(([, algorithms]) => algorithms)
}

const failureOf = (error: Error & ssh2.ClientErrorExtensions, target: SshTarget) =>
  error.level === "client-authentication"
    ? new ApplianceAuthFailed({
      message: `the appliance refused the driver's ${target.userKey.type} key for user ${target.user}: import its ` +
        "public key for that user, whose group needs the policies ssh, read, write and test"
    })
    : unreachable(reasonOf(error))

const hostKeyRefused = (hostKeys: HostKeys | "insecure", seen: Buffer) =>
  new ApplianceAuthFailed({
    message: `the appliance showed the host key ${fingerprint(seen)}, which is not pinned (pinned: ` +
      `${hostKeys === "insecure" ? "none" : hostKeys.fingerprints.join(", ")}): if its key was changed on purpose, ` +
      "pin the new one, otherwise somebody answers in its place"
  })

const unreachable = (why: string) =>
  new ApplianceUnavailable({
    reason: "unreachable",
    message: `the appliance cannot be reached (${why}); the driver keeps trying`
  })

/** The system's code rather than its text, which holds the address. */
const reasonOf = (error: Error & { readonly code?: unknown }) =>
  typeof error.code === "string" ? error.code : error.message
