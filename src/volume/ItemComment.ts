import { Option } from "effect"
import * as Content from "./Content.ts"
import * as OwnershipTag from "./OwnershipTag.ts"

// The `comment` of a volume's item in `/disk`: the ownership tag, behind it what the volume was made of, and at its very
// end, for as long as that runs, what the volume is being copied to. Each part is one word that a person can read.

const originForm = /^rds-csi cluster=\S+ volume=\S+ from=(\S+)/
const copyForm = /(?:^| )copying=(\S+)$/

/** The comment of a new volume's item. */
export const encode = (owner: OwnershipTag.Owner, origin: Option.Option<Content.Content>): string =>
  Option.match(origin, {
    onNone: () => OwnershipTag.encode(owner),
    onSome: (content) => `${OwnershipTag.encode(owner)} from=${Content.encode(content)}`
  })

/** What the volume was made of; none for one that was made empty. */
export const originOf = (comment: string): Option.Option<Content.Content> =>
  Content.parse(originForm.exec(comment.trimStart())?.[1] ?? "")

/** What the volume is being copied to, while it must stay as it is. */
export const copyOf = (comment: string): Option.Option<Content.Content> =>
  Content.parse(copyForm.exec(comment)?.[1] ?? "")

/** The comment while the volume is copied. */
export const withCopy = (comment: string, target: Content.Content): string =>
  `${withoutCopy(comment)} copying=${Content.encode(target)}`.trimStart()

/** The comment before and after that. */
export const withoutCopy = (comment: string): string => comment.replace(copyForm, "")
