import { Option } from "effect"
import { Nqn } from "../volume/Nqn.ts"

/**
 * `nvme-tcp-server-allow-host-name` for these hosts: their NQNs with commas between them (RouterOS manual, NVMe over TCP:
 * names of hosts allowed to connect). The empty text lets in every host, so nobody is a name that no host has.
 */
export const encode = (hosts: ReadonlyArray<Nqn>): string => hosts.length === 0 ? Nqn.nobody : hosts.join(",")

/** The hosts that the text lets in; none: every host. */
export const parse = (text: string): Option.Option<ReadonlyArray<string>> => {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "")
  return names.length === 0 ? Option.none() : Option.some(names.filter((name) => name !== Nqn.nobody))
}
