import type { Connection } from "ssh2"

/**
 * Leaves global requests that the device does not know, such as `keepalive@openssh.com`, without any answer, as RouterOS
 * does. ssh2 always answers them with a failure and has no option against it, so the method that sends it is replaced.
 */
export const leaveGlobalRequestsUnanswered = (connection: Connection): void => {
  const protocol: unknown = Reflect.get(connection, "_protocol")
  if (typeof protocol === "object" && protocol !== null) Reflect.set(protocol, "requestFailure", () => {})
}
