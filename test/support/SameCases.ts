import { Arbitrary } from "effect"
import { seed } from "./Thorough.ts"

Arbitrary.configureGlobal({ check: { seed } })
