/**
 * The hand of a test in a machine: HTTP over the management network. Runs without its types, on Node.js alone.
 *
 * - POST /run `Order` → `Outcome`, when the program has ended
 * - POST /start `Order` → `{ pid, log }`; the file has what it has written so far
 * - POST /wait `{ pid }` → `Outcome` of a started program, when it has ended
 * - POST /ask `{ socket, line }` → the line that a unix socket answers
 * - GET, PUT /file?path=… the bytes of a file
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, open, readFile } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect, createServer as createTcpServer } from "node:net"
import { dirname } from "node:path"
import { createInterface } from "node:readline"
import { buffer, json } from "node:stream/consumers"
import { pipeline } from "node:stream/promises"

interface Order {
  readonly argv: ReadonlyArray<string>
  readonly stdin: string
  readonly env: Readonly<Record<string, string>>
  /** The program and its children are killed then. */
  readonly limitMillis: number
}

interface Outcome {
  /** -1 when a signal ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
}

const agentPort = 7001
const tunnelPort = 7002
const csiSocket = "/run/rds-csi/csi.sock"

const environment = {
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  HOME: "/tmp",
  // The bundle is compiled once a machine, not at each start.
  NODE_COMPILE_CACHE: "/var/lib/compile-cache"
}

const started = new Map<number, Promise<Outcome>>()

const run = async ({ argv, env, limitMillis, stdin }: Order): Promise<Outcome> => {
  const [program = "", ...args] = argv
  const child = spawn(program, args, { env: { ...environment, ...env }, detached: true })
  const limit = AbortSignal.timeout(limitMillis)
  limit.onabort = () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL")
  child.stdin.on("error", () => undefined).end(stdin)
  const output = Promise.all([buffer(child.stdout), buffer(child.stderr)])
  try {
    const code = await exitCode(child)
    const [stdout, stderr] = await output
    return { code, stdout: stdout.toString(), stderr: stderr.toString(), timedOut: limit.aborted }
  } finally {
    limit.onabort = null
  }
}

const exitCode = async (child: ChildProcess): Promise<number> => {
  await once(child, "close")
  return child.exitCode ?? -1
}

const start = async ({ argv, env }: Order): Promise<{ readonly pid: number; readonly log: string }> => {
  const [program = "", ...args] = argv
  const log = `/run/log-${started.size}`
  const file = await open(log, "w")
  const child = spawn(program, args, {
    env: { ...environment, ...env },
    detached: true,
    stdio: ["ignore", file.fd, file.fd]
  })
  const ended = exitCode(child).then(async (code): Promise<Outcome> => {
    const stdout = await readFile(log, "utf8")
    return { code, stdout, stderr: "", timedOut: false }
  })
  await Promise.race([once(child, "spawn"), ended])
  await file.close()
  const pid = child.pid ?? 0
  started.set(pid, ended)
  return { pid, log }
}

const wait = async ({ pid }: { readonly pid: number }): Promise<Outcome> => {
  const ended = started.get(pid)
  if (ended === undefined) throw new Error(`${pid} was not started here`)
  return await ended
}

const ask = async ({ line, socket }: { readonly socket: string; readonly line: string }): Promise<string> => {
  const connection = connect(socket).setEncoding("utf8")
  try {
    connection.write(`${line}\n`)
    for await (const answered of createInterface({ input: connection })) return answered
    throw new Error(`${socket} has not answered`)
  } finally {
    connection.destroy()
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null
const isOrder = (value: unknown): value is Order =>
  isRecord(value) && Array.isArray(value["argv"]) && typeof value["stdin"] === "string" && isRecord(value["env"]) &&
  typeof value["limitMillis"] === "number"
const isProcess = (value: unknown): value is { readonly pid: number } =>
  isRecord(value) && typeof value["pid"] === "number"
const isQuestion = (value: unknown): value is { readonly socket: string; readonly line: string } =>
  isRecord(value) && typeof value["socket"] === "string" && typeof value["line"] === "string"

const bodyOf = async <A>(request: IncomingMessage, is: (value: unknown) => value is A): Promise<A> => {
  const body: unknown = await json(request)
  if (!is(body)) throw new Error(`not understood: ${JSON.stringify(body)}`)
  return body
}

const answer = async (request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url ?? "", "http://agent")
  const path = url.searchParams.get("path") ?? ""
  switch (`${request.method} ${url.pathname}`) {
    case "POST /run":
      return response.end(JSON.stringify(await run(await bodyOf(request, isOrder))))
    case "POST /start":
      return response.end(JSON.stringify(await start(await bodyOf(request, isOrder))))
    case "POST /wait":
      return response.end(JSON.stringify(await wait(await bodyOf(request, isProcess))))
    case "POST /ask":
      return response.end(await ask(await bodyOf(request, isQuestion)))
    case "PUT /file":
      await mkdir(dirname(path), { recursive: true })
      await pipeline(request, createWriteStream(path))
      return response.end("{}")
    case "GET /file":
      return await pipeline(createReadStream(path), response)
    default:
      return response.writeHead(404).end(`no ${request.method} ${url.pathname}`)
  }
}

createServer((request, response) => {
  // A machine may be gone at any time; a connection kept for later would not know.
  response.setHeader("connection", "close")
  answer(request, response).catch((error: unknown) => {
    if (!response.headersSent) response.writeHead(500)
    response.end(String(error))
  })
}).listen(agentPort)

// The gRPC socket of the node plugin, for a client on another machine.
createTcpServer((client) => {
  const plugin = connect(csiSocket)
  const end = () => {
    client.destroy()
    plugin.destroy()
  }
  client.on("error", end).on("close", end).pipe(plugin)
  plugin.on("error", end).on("close", end).pipe(client)
}).listen(tunnelPort)
