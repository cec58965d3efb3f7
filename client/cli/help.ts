/** The help, printed from the tables of commands and flags: examples first. */
import type { Flag } from './arguments.ts'
import { COMMON_FLAGS, type Command } from './command.ts'

export function overview(commands: readonly Command[]): string {
  const examples = commands.flatMap(({ examples: [first] }) => first === undefined ? [] : [first])
  return [
    'tally hands files to tallyd, which acknowledges every chunk once it is safe.',
    table(examples.map(([line, what]) => [line, what])),
    'Commands (tally COMMAND --help says more):',
    table(commands.map(({ name, usage, summary }) => [`${name} ${usage}`.trim(), summary])),
    'For all of them, before the command or after it:',
    table(COMMON_FLAGS.map(flagLine)),
    'Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 incomplete but resumable, 130 interrupted.\n',
  ].join('\n\n')
}

export function helpOf(command: Command): string {
  return [
    `tally ${command.name}: ${command.summary}`,
    table(command.examples.map(([line, what]) => [line, what])),
    `Usage: tally ${command.name} ${command.usage} [FLAGS]`,
    `${table([...command.flags, ...COMMON_FLAGS].map(flagLine))}\n`,
  ].join('\n\n')
}

function flagLine({ name, short, value, help }: Flag): [string, string] {
  return [`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, help]
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
