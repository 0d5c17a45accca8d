import { Data, Effect } from "effect"
import { root, run } from "../../../scripts/run.ts"
import type { ControlPlane } from "./ControlPlane.ts"

class KubectlFailed extends Data.TaggedError("KubectlFailed")<{ readonly message: string }> {}

const said = (command: readonly [string, ...ReadonlyArray<string>], options?: Parameters<typeof run>[1]) =>
  Effect.promise(() => run(command, options)).pipe(
    Effect.flatMap(({ code, output, stdout }) =>
      code === 0
        ? Effect.succeed(stdout)
        : Effect.fail(new KubectlFailed({ message: `${command.slice(1).join(" ")}: ${output}` }))
    )
  )

/** Answers what it writes; fails when it does not end with 0. Files are named from the repository's root. */
export const kubectl = ({ kubeconfig, programs }: ControlPlane, ...args: ReadonlyArray<string>) =>
  said([`${programs}/controlplane`, "kubectl", `--kubeconfig=${kubeconfig}`, ...args])

export interface ShellOptions {
  /** Of the objects that the line is about, where it does not say so itself. */
  readonly namespace?: string
  /** Where files are looked for; the repository's root otherwise. */
  readonly directory?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a line of the documentation as it stands there. */
export const shell = (
  { kubeconfig, programs }: ControlPlane,
  line: string,
  { directory = root, env = {}, namespace = "" }: ShellOptions
) =>
  said([
    "sh",
    "-euc",
    `kubectl() { "$PROGRAMS/controlplane" kubectl $CHOICE "$@"; }\nhelm() { "$HELM" "$@"; }\n${line}`
  ], {
    cwd: directory,
    env: {
      PROGRAMS: programs,
      CHOICE: namespace === "" ? "" : `--namespace=${namespace}`,
      KUBECONFIG: kubeconfig,
      ...env
    }
  })

/** The commands of a step of docs/install.md that call these programs, each in one line or more. */
export const commandsOf = (page: string, step: number, program: "kubectl" | "helm"): ReadonlyArray<string> => {
  const [, section = ""] = new RegExp(`^## ${step}\\. ([^]*?)(?=^## |$(?![^]))`, "m").exec(page) ?? []
  return [...section.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = ""]) =>
    block.replaceAll(/\\\n\s*/g, "").split("\n").filter((line) => line.startsWith(`${program} `))
  )
}
