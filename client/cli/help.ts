/** The help, printed from the tables of commands and flags: examples first. */
import type { Flag } from './arguments.ts'
import { COMMON_FLAGS, type Command } from './command.ts'

/** What is said of a longer line stands below it: beside it, it would push what is said of the others off the screen. */
const LEFT_COLUMNS_MAX = 52

const ID_LINE = 'An ID is FID (all files of a transfer), FID/N (its file number N) or sha256:… (a content): put prints them.'

export function overview(commands: readonly Command[]): string {
  const examples = commands.flatMap(({ examples: [first] }) => first === undefined ? [] : [first])
  return [
    'tally hands files to tallyd, which acknowledges every chunk once it is safe. tallyd has to run; tally doctor says what is not set up.',
    table(examples),
    'Commands (tally COMMAND --help says more):',
    table(commands.map(({ name, usage, summary }) => [`${name} ${usage}`.trim(), summary])),
    ID_LINE,
    'For all of them, before the command or after it:',
    table(COMMON_FLAGS.map(flagLine)),
    'Flags hold over the environment, and that over ~/.config/tally/config.toml. tally --version prints the version.',
    'Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 incomplete but resumable (a stream begins anew), 130 interrupted.\n',
  ].join('\n\n')
}

export function helpOf(command: Command): string {
  return [
    `tally ${command.name}: ${command.summary}`,
    table(command.examples),
    `Usage: ${['tally', command.name, command.usage, '[FLAGS]'].filter(word => word !== '').join(' ')}`,
    ...(command.argument === 'id' ? [ID_LINE] : []),
    `${table([...command.flags, ...COMMON_FLAGS].map(flagLine))}\n`,
  ].join('\n\n')
}

function flagLine({ name, short, value, help }: Flag): [string, string] {
  return [`${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, help]
}

function table(rows: readonly (readonly [string, string])[]): string {
  const isLong = (left: string): boolean => left.length > LEFT_COLUMNS_MAX
  const width = Math.max(0, ...rows.map(([left]) => isLong(left) ? 0 : left.length))
  return rows.map(([left, right]) => isLong(left) ? `  ${left}\n      ${right}` : `  ${left.padEnd(width)}  ${right}`).join('\n')
}
