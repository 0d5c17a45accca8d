import { Console, Effect } from "effect"
import { styleText } from "node:util"

type Style = Parameters<typeof styleText>[0]

/** Colours on a terminal, plain text in a pipe or with NO_COLOR. */
const paint = (style: Style, text: string) => styleText(style, text, { stream: process.stdout })

/** A chapter of the story. */
export const heading = (text: string) => Console.log(`\n${paint("bold", text)}`)

/** A sentence about what happens next. */
export const say = (text: string) => Console.log(`  ${paint("dim", text)}`)

/** A step that ended as a user wants it, with how long it took. */
export const passed = (title: string, millis: number, outcome: string) =>
  Console.log(`  ${paint("green", "ok")} ${title.padEnd(62)} ${`${Math.round(millis)} ms`.padStart(8)}  ${outcome}`)

/** A step that did not. */
export const failed = (title: string, outcome: string) =>
  Console.log(`  ${paint("red", "FAILED")} ${title}\n         ${outcome}`)

/** A line that went over the wire to the appliance. */
export const wire = (line: string) => Console.log(`     ${paint("cyan", "ssh >")} ${paint("dim", line)}`)

/** The last line: how it all ended. */
export const verdict = (failures: number, seconds: number) =>
  Effect.andThen(
    Console.log(""),
    failures === 0
      ? Console.log(paint("green", `Everything ended as it should, in ${seconds.toFixed(1)} s.`))
      : Console.log(paint("red", `${failures} step(s) did not end as they should.`))
  )
