import type { ServerResponse } from "node:http"
import type { Target } from "./Kinds.ts"
import type { ObjectStore, StoredEvent } from "./ObjectStore.ts"

interface Watcher {
  readonly target: Target
  readonly response: ServerResponse
  /** What it would have been told, had the server not held its tongue. */
  readonly held: Array<string>
}

const lineOf = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`

/** The open watches of an API server. */
export const makeWatchers = (store: ObjectStore) => {
  const open = new Set<Watcher>()
  let quiet = false
  let opened = 0

  const tell = ({ held, response }: Watcher, line: string) => {
    if (quiet) held.push(line)
    else response.write(line)
  }
  const concerns = ({ kind, namespace }: Target, { key }: StoredEvent) =>
    key.kind === kind && (namespace === undefined || key.namespace === namespace)

  const bookmark = (watcher: Watcher) =>
    tell(
      watcher,
      lineOf("BOOKMARK", {
        kind: watcher.target.kind.kind,
        apiVersion: watcher.target.kind.apiVersion,
        metadata: { resourceVersion: String(store.revision()), creationTimestamp: null }
      })
    )

  store.listen((event) => {
    for (const watcher of open) {
      if (concerns(watcher.target, event)) tell(watcher, lineOf(event.type, event.object))
    }
  })

  return {
    /** Answers a watch that continues after revision `from`, until `close`, the client or `seconds` end it. */
    add: (target: Target, response: ServerResponse, from: number) => {
      response.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" })
      response.flushHeaders()
      const missed = store.since(from)
      if (missed === undefined) {
        const status = { kind: "Status", code: 410, reason: "Expired", message: `too old resource version: ${from}` }
        response.end(lineOf("ERROR", status))
        return
      }
      const watcher: Watcher = { target, response, held: [] }
      for (const event of missed) if (concerns(target, event)) tell(watcher, lineOf(event.type, event.object))
      open.add(watcher)
      opened++
      response.on("close", () => open.delete(watcher))
    },
    count: () => open.size,
    /** How many have been opened so far. */
    opened: () => opened,
    /** Sends a bookmark to everyone. */
    bookmark: () => {
      for (const watcher of open) bookmark(watcher)
    },
    /** From now on watchers hear nothing, while the world goes on; with `false` they hear what they missed. */
    holdBack: (on: boolean) => {
      quiet = on
      if (on) return
      for (const { held, response } of open) for (const line of held.splice(0)) response.write(line)
    },
    /** Ends all watches, as an API server does now and then. */
    close: () => {
      for (const { response } of open) response.end()
      open.clear()
    }
  }
}
