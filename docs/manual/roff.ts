/** A program's manual page in the macros of man(7), made from its tables: what `--help` says, with everything on one page. */
import type { Flag } from '../../client/cli/arguments.ts'
import type { Program, ProgramCommand } from '../../client/cli/manual/program.ts'

export interface Page {
  readonly program: Program
  readonly version: string
  /** `2026-11-21` */
  readonly date: string
  /** What the program is, in sentences; a paragraph each. */
  readonly description: readonly string[]
  /** Its own tables, such as exit codes: `[typed, what]`. */
  readonly sections: readonly { readonly title: string; readonly rows: readonly (readonly [string, string])[] }[]
  readonly seeAlso: readonly string[]
}

export function manualPage({ program, version, date, description, sections, seeAlso }: Page): string {
  const { name, summary, commands, commonFlags, flags } = program
  return [
    `.TH ${name.toUpperCase()} 1 "${date}" ${quoted(`tally ${version}`)}`,
    '.SH NAME',
    plain(`${name} - ${summary}`),
    '.SH SYNOPSIS',
    ...commands.map(({ name: command, usage }) => `.B ${quoted(`${name} ${command}`)}\n${plain(`${usage} [FLAGS]`.trim())}\n.br`),
    `.B ${quoted(name)}\n${plain('[FLAGS]')}`,
    '.SH DESCRIPTION',
    description.map(plain).join('\n.PP\n'),
    '.SH COMMANDS',
    ...commands.map(command => commandPart(name, command)),
    '.SH FLAGS OF ALL COMMANDS',
    ...commonFlags.map(flagPart),
    '.SH FLAGS WITHOUT A COMMAND',
    ...flags.map(flagPart),
    ...sections.flatMap(({ title, rows }) => [`.SH ${quoted(title)}`, ...rows.map(row)]),
    '.SH SEE ALSO',
    seeAlso.map(page => `.BR ${quoted(page)} (1)`).join(' ,\n'),
  ].join('\n') + '\n'
}

function commandPart(program: string, { name, usage, summary, examples, flags }: ProgramCommand): string {
  return [
    `.SS ${quoted(`${program} ${name} ${usage}`.trim())}`,
    plain(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`),
    ...flags.map(flagPart),
    '.PP',
    'Examples:',
    ...examples.map(row),
  ].join('\n')
}

function flagPart({ name, short, value, help }: Flag): string {
  const typed = `${short === undefined ? '' : `\\fB${escaped(`-${short}`)}\\fR, `}\\fB${escaped(`--${name}`)}\\fR`
  return `.TP\n${typed}${value === undefined ? '' : ` \\fI${escaped(value)}\\fR`}\n${plain(help)}`
}

function row([typed, what]: readonly [string, string]): string {
  return `.TP\n.B ${quoted(typed)}\n${plain(what)}`
}

/** A line of text: what begins with a dot or an apostrophe is no macro. */
function plain(text: string): string {
  return escaped(text).replace(/^(?=\.)/, '\\&')
}

/** One argument of a macro. */
function quoted(text: string): string {
  return `"${escaped(text)}"`
}

const NAMED: Readonly<Record<string, string>> = {
  '\\': '\\(rs', '-': '\\-', '\'': '\\(aq', '"': '\\(dq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti',
}

/** As it can be copied from the page to a shell; ASCII alone, whatever the reader's locale. */
function escaped(text: string): string {
  return text.replace(/[\\\-'"`^~]|[^ -~]/gu, character =>
    NAMED[character] ?? `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`)
}
