/** Completion for zsh, by its own `_arguments`, which knows words, quotes and prefixes; works from a file in `fpath` and when sourced. */
import type { Flag } from '../arguments.ts'
import { type Completion, type Program, type ProgramCommand, completionOf, flagsOf, listsOf, singleQuoted } from './program.ts'

export function zshCompletion(program: Program): string {
  const self = `_${program.name}`
  const lists = listsOf(program)
  return [
    `#compdef ${program.name}\n# Completion of ${program.name} for zsh, made from its table of commands.`,
    ...(lists.length === 0 ? [] : [lister(self, program.name), ...lists.map(list => `${self}_${list}() { ${self}_list ${list} "$@" }`)]),
    entry(self, program),
    `if [[ $funcstack[1] == ${self} ]]; then\n  ${self} "$@"\nelse\n  compdef ${self} ${program.name}\nfi`,
  ].join('\n\n') + '\n'
}

function lister(self: string, name: string): string {
  return `# What the daemon knows, with what people know it by; nothing where none answers.
${self}_list() {
  local -a values shown
  local kind=$1 line tab=$'\\t'
  shift
  for line in "\${(@f)$(command ${name} completion --list $kind -- "\${(@Q)words}" 2>/dev/null </dev/null)}"; do
    [[ -n $line ]] || continue
    values+=("\${line%%$tab*}")
    shown+=("\${line/$tab/  -- }")
  done
  compadd "$@" -l -d shown -a values
}`
}

function entry(self: string, program: Program): string {
  const commands = program.commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`)
  const branches = program.commands.map(command => `  ${command.name})\n    _arguments -s -S \\\n${specs(self, program, command)}\n    ;;`)
  return `${self}() {
  local curcontext=$curcontext state line
  local -A opt_args
  local -a commands=(
${commands.join('\n')}
  )
  _arguments -C -S \\
${program.flags.flatMap(flag => flagSpecs(self, flag)).map(spec => `    ${spec} \\`).join('\n')}
    '1: :->command' '*:: :->argument' && return
  case $state in
  command) _describe -t commands command commands; return ;;
  argument) ;;
  *) return 1 ;;
  esac
  case $words[1] in
${branches.join('\n')}
  esac
}`
}

function specs(self: string, program: Program, command: ProgramCommand): string {
  const { argument, argumentChoices, usage } = command
  const flags = flagsOf(program, command).flatMap(flag => flagSpecs(self, flag))
  const positional = argument === undefined ? [] : [quoted(`*:${part(usage)}:${actionOf(self, completionOf(argument, argumentChoices))}`)]
  return [...flags, ...positional].map(spec => `      ${spec}`).join(' \\\n')
}

/** A spec for each way to type it; one that may stand once excludes the other. */
function flagSpecs(self: string, { name, short, value, kind, choices, repeatable, help }: Flag): readonly string[] {
  const typed = [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
  const lead = repeatable === true ? '*' : typed.length > 1 ? `(${typed.join(' ')})` : ''
  const tail = value === undefined ? '' : `:${part(value)}:${actionOf(self, completionOf(kind, choices))}`
  return typed.map(each => quoted(`${lead}${each}${value === undefined ? '' : each.startsWith('--') ? '=' : '+'}[${part(help)}]${tail}`))
}

/** A space: the message is shown, and nothing is offered. */
function actionOf(self: string, completion: Completion): string {
  switch (completion.by) {
    case 'nothing': return ' '
    case 'files': return '_files'
    case 'directories': return '_files -/'
    case 'words': return `(${completion.words.join(' ')})`
    case 'list': return `${self}_${completion.list}`
  }
}

/** What separates the parts of a spec, made plain. */
function part(text: string): string {
  return text.replace(/[\\\]:]/g, character => `\\${character}`)
}

function quoted(text: string): string {
  return singleQuoted(text, '\'\\\'\'')
}
