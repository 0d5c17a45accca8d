/** How the containers of the controller's Deployment in manifests/base are started. */
import { type Container, containerOf, controller } from "../../install/Objects.ts"

/** The ServiceAccount that all containers of the pod share. */
export const podAccount = controller.template.spec.serviceAccountName

/** The container of that name. */
export const shipped = (name: string): Container => containerOf(controller, name)

/** `--timeout` of `--timeout=300s`. */
const nameOf = (flag: string) => flag.split("=")[0] ?? flag

/** These arguments, with others in the place of those of the same name; the last of several counts. */
export const changed = (args: ReadonlyArray<string>, changes: ReadonlyArray<string>): ReadonlyArray<string> =>
  changes.reduce((all, change) => [...all.filter((arg) => nameOf(arg) !== nameOf(change)), change], args)
