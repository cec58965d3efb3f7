/**
 * What a command of tallyd is: work on a store itself, without serving it. Its line in the table of commands, its flags, and what it gets
 * to work with. `index.ts` has the table.
 */
import { homedir } from 'node:os'
import { storePathOf } from '../config.ts'
import { type Flag, FLAGS, type FlagValues, flagRow, readArguments, table } from '../flags.ts'
import { escapeUnsafe } from '../log.ts'
import { Mistakes } from '../mistakes.ts'
import { readSettings, type Settings } from '../settings.ts'

/** Done and well; the store is not as it should be; the command line is wrong, or the work could not be done. */
export const COMMAND_EXIT = { DONE: 0, UNSOUND: 1, FAILED: 2 } as const
export type CommandExit = typeof COMMAND_EXIT[keyof typeof COMMAND_EXIT]

export interface StoreCommand {
  readonly name: string
  readonly summary: string
  /** Which user runs it, as a sentence of the help. */
  readonly who: string
  /** The first one stands in tallyd's own help, too. */
  readonly examples: readonly (readonly [typed: string, help: string])[]
  /** Besides `--store`, `--config`, `--json` and `--help`, which all have. */
  readonly flags: readonly Flag[]
  /** Throws an Error with a sentence for the operator (exit code 2). */
  run(context: CommandContext): Promise<CommandExit>
}

export interface CommandContext {
  /** Absolute. */
  readonly storePath: string
  readonly settings: Settings
  readonly given: FlagValues
  /** The outcome, on standard output: the value with `--json`, else the text. Control characters are escaped. */
  tell(text: string, value: Readonly<Record<string, unknown>>): void
}

/** Of commands that write to a store. */
export const RUN_BY_OWNER = 'Run it as the user whose store it is, with its tallyd stopped; anybody else, root too, is refused and told how.'

export const COMMON_FLAGS: readonly Flag[] = [
  ...FLAGS.filter(({ name }) => name === 'store' || name === 'config'),
  { name: 'json', env: false, help: 'print JSON, one object a line' },
  ...FLAGS.filter(({ name }) => name === 'help'),
]

/** Reads the arguments and runs the command. Throws a UsageError, and what `run` throws. */
export async function runCommand(
  command: StoreCommand, args: readonly string[], env: Readonly<Record<string, string | undefined>>,
): Promise<CommandExit> {
  const flags = [...command.flags, ...COMMON_FLAGS]
  const mistakes = new Mistakes()
  const given = readArguments(args, mistakes, flags, `tallyd ${command.name}`)
  if (given.has('help')) {
    process.stdout.write(helpOf(command, flags))
    return COMMAND_EXIT.DONE
  }
  const isJson = given.has('json')
  const tell: CommandContext['tell'] = (text, value) => {
    process.stdout.write(isJson ? `${escapeUnsafe(JSON.stringify(value))}\n` : `${escapeUnsafe(text)}\n`)
  }
  const { settings } = readSettings(given, env, homedir(), mistakes)
  mistakes.refuse()
  return command.run({ storePath: storePathOf(settings), settings, given, tell })
}

function helpOf({ name, summary, who, examples }: StoreCommand, flags: readonly Flag[]): string {
  return `tallyd ${name}: ${summary}

${table(examples)}

${who}

Flags:

${table(flags.map(flagRow))}

Exit codes: 0 done and well, 1 the store is not as it should be, 2 usage, or it could not be done.
`
}
