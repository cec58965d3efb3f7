/** Completion for fish: a line for each command, flag and argument. fish itself quotes what it inserts. */
import type { Flag } from '../arguments.ts'
import { type Completion, type Program, completionOf, flagsOf, listsOf, singleQuoted } from './program.ts'

export function fishCompletion(program: Program): string {
  const { name, commands, flags } = program
  const lines = commands.flatMap(command => {
    const { argument, argumentChoices } = command
    const where = `__${name}_is ${command.name}`
    return [
      ...flagsOf(program, command).map(flag => flagLine(name, where, flag)),
      ...(argument === undefined ? [] : [line(name, where, actionOf(name, completionOf(argument, argumentChoices)))]),
    ]
  })
  const first = `__${name}_is ''`
  return [
    `# Completion of ${name} for fish, made from its table of commands.`,
    where(name),
    ...(listsOf(program).length === 0 ? [] : [lister(name)]),
    [
      `complete -c ${name} -f`,
      ...commands.map(command => line(name, `__${name}_first`, `-a ${command.name}`, command.summary)),
      ...flags.map(flag => flagLine(name, first, flag)),
      ...lines,
    ].join('\n'),
  ].join('\n\n') + '\n'
}

function where(name: string): string {
  return `# Whether the line has this command; with '' whether it has none.
function __${name}_is
    set -l words (commandline -opc)
    set -l command (string match -v -- '-*' "$words[2]")
    test "$command" = "$argv[1]"
end

function __${name}_first
    test (count (commandline -opc)) -eq 1
end`
}

function lister(name: string): string {
  return `# What the daemon knows, with what people know it by; nothing where none answers.
function __${name}_list
    command ${name} completion --list $argv[1] -- (commandline -opc) 2>/dev/null </dev/null
end`
}

function flagLine(name: string, where: string, { name: flag, short, value, kind, choices, help }: Flag): string {
  const action = value === undefined ? [] : ['-r', actionOf(name, completionOf(kind, choices))]
  return line(name, where, [...(short === undefined ? [] : [`-s ${short}`]), `-l ${flag}`, ...action].join(' '), help)
}

function actionOf(name: string, completion: Completion): string {
  switch (completion.by) {
    case 'nothing': return '-f'
    case 'files': return '-F'
    case 'directories': return '-f -a \'(__fish_complete_directories)\''
    case 'words': return `-f -a ${quoted(completion.words.join(' '))}`
    case 'list': return `-f -k -a '(__${name}_list ${completion.list})'`
  }
}

function line(name: string, where: string, what: string, help?: string): string {
  return `complete -c ${name} -n ${quoted(where)} ${what}${help === undefined ? '' : ` -d ${quoted(help)}`}`
}

function quoted(text: string): string {
  return singleQuoted(text.replaceAll('\\', '\\\\'), '\\\'')
}
