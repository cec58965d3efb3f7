/**
 * A program as its manual and the completion of shells see it: commands, flags, and what their values are. It knows neither `tally` nor
 * `tallyd`; each makes one of its own tables, so that nothing is said twice.
 */
import type { Flag, ValueKind } from '../arguments.ts'

export interface Program {
  readonly name: string
  /** What it does, as half a sentence: it stands behind the name. */
  readonly summary: string
  readonly commands: readonly ProgramCommand[]
  /** What every command takes besides its own. */
  readonly commonFlags: readonly Flag[]
  /** What the program takes where there is no command. */
  readonly flags: readonly Flag[]
}

export interface ProgramCommand {
  readonly name: string
  /** Its arguments, as the help shows them. */
  readonly usage: string
  readonly summary: string
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What its arguments are; absent: it has none. */
  readonly argument?: ValueKind
  /** With the kind `choice`. */
  readonly argumentChoices?: readonly string[]
  /** Besides those that all commands have. */
  readonly flags: readonly Flag[]
}

/** How a value is completed. */
export type Completion =
  | { readonly by: 'nothing' | 'files' | 'directories' }
  | { readonly by: 'words'; readonly words: readonly string[] }
  /** By asking the daemon: `tally completion --list`. */
  | { readonly by: 'list'; readonly list: ListKind }

/** What the daemon is asked for. */
export const LIST_KINDS = ['tag', 'id', 'fid'] as const
export type ListKind = typeof LIST_KINDS[number]

export function completionOf(kind: ValueKind = 'text', choices: readonly string[] = []): Completion {
  if (choices.length > 0) return { by: 'words', words: choices }
  const list = LIST_KINDS.find(each => each === kind)
  if (list !== undefined) return { by: 'list', list }
  return { by: kind === 'path' || kind === 'endpoint' ? 'files' : kind === 'directory' ? 'directories' : 'nothing' }
}

export function flagsOf({ commonFlags }: Program, { flags }: ProgramCommand): readonly Flag[] {
  return [...flags, ...commonFlags]
}

/** As it is typed: `--tag`, and `-t` where there is one. */
export function typedOf({ name, short }: Flag): readonly string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
}

/** Which lists the program's values are completed from. */
export function listsOf(program: Program): readonly ListKind[] {
  const values = program.commands.flatMap(command => [
    completionOf(command.argument, command.argumentChoices),
    ...flagsOf(program, command).map(({ kind, choices }) => completionOf(kind, choices)),
  ])
  return LIST_KINDS.filter(list => values.some(value => value.by === 'list' && value.list === list))
}

/** As one word of a shell, whatever is in it: in single quotes, with what stands for one within them. */
export function singleQuoted(text: string, quote: string): string {
  return `'${text.replaceAll('\'', quote)}'`
}
