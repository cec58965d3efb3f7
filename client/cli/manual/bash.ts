/**
 * Completion for bash. The script reads the line itself: bash's own words are cut at `=` and `:`, with quotes left in. Commands, flags
 * and fixed values stand in the script, so that no process is started for them; candidates are quoted for the place where they go.
 */
import { type Completion, type Program, completionOf, flagsOf, listsOf, typedOf } from './program.ts'

export function bashCompletion(program: Program): string {
  const self = `_${program.name}`
  return [
    `# Completion of ${program.name} for bash, made from its table of commands.`,
    reader(self),
    offer(self),
    ...(listsOf(program).length === 0 ? [] : [lister(self, program.name)]),
    values(self, program),
    flags(self, program),
    positionals(self, program),
    entry(self, program),
    `complete -F ${self} ${program.name}`,
  ].join('\n\n') + '\n'
}

/** Nothing of the line is expanded or run. */
function reader(self: string): string {
  return `# Of the line up to the cursor: the words before the last in "before", the last without its quotes in "word", how much of that
# readline leaves alone in "kept", the quote that is open in "quote".
${self}_read() {
  local line=\${COMP_LINE:0:COMP_POINT} c next i begun=
  before=() word= kept= quote=
  for ((i = 0; i < \${#line}; i++)); do
    c=\${line:i:1} next=\${line:i+1:1}
    if [[ $quote == "'" && $c != "'" ]]; then
      word+=$c
    elif [[ $c == \\\\ && ($quote == '' || $next == [\\$\\"\\\\] || $next == '\`') ]]; then
      word+=$next begun=1
      ((i += 1))
    elif [[ $c == "$quote" ]]; then
      kept=$word quote=
    elif [[ $quote == '' && ($c == "'" || $c == '"') ]]; then
      kept=$word quote=$c begun=1
    elif [[ $quote == '' && $c == [[:space:]] ]]; then
      [[ $begun ]] && before+=("$word")
      word= kept= begun=
    else
      word+=$c begun=1
      [[ $quote == '' && $COMP_WORDBREAKS == *"$c"* ]] && kept=$word
    fi
  done
}`
}

function offer(self: string): string {
  return `# Adds those that begin with what was typed, quoted for where they go. "stem" is what stands before a value in its word: --tag=
${self}_offer() {
  local text quoted c i
  for text; do
    text=$stem$text
    [[ $text == "$word"* ]] || continue
    text=\${text:\${#kept}}
    if [[ $quote == '' ]]; then
      printf -v quoted %q "$text"
    else
      # The history's character cannot be quoted within double quotes.
      [[ $quote == '"' && $text == *!* ]] && continue
      quoted=
      for ((i = 0; i < \${#text}; i++)); do
        c=\${text:i:1}
        if [[ $quote == "'" && $c == "'" ]]; then
          c="'\\\\''"
        elif [[ $quote == '"' && ($c == [\\$\\"\\\\] || $c == '\`') ]]; then
          c=\\\\$c
        fi
        quoted+=$c
      done
    fi
    COMPREPLY+=("$quoted")
  done
}`
}

function lister(self: string, name: string): string {
  return `# What the daemon knows; nothing where none answers.
${self}_list() {
  local line lines
  mapfile -t lines < <(command ${name} completion --list "$1" -- "\${before[@]}" 2>/dev/null </dev/null)
  for line in "\${lines[@]}"; do ${self}_offer "\${line%%$'\\t'*}"; done
}`
}

/** One branch for all flags that are completed in the same way. */
function values(self: string, program: Program): string {
  const branches = new Map<string, string[]>()
  for (const [command, flag] of program.commands.flatMap(each => flagsOf(program, each).map(flag => [each.name, flag] as const))
    .concat(program.flags.map(flag => ['', flag] as const))) {
    if (flag.value === undefined) continue
    const action = actionOf(self, completionOf(flag.kind, flag.choices))
    branches.set(action, [...branches.get(action) ?? [], ...typedOf(flag).map(typed => `'${command} ${typed}'`)])
  }
  return `# $1 is a command and a flag of it. Fails where that takes no value.\n${self}_value() {\n  case $1 in\n${
    [...branches].map(([action, flags]) => `  ${flags.join(' | ')}) ${action} ;;\n`).join('')}  *) return 1 ;;\n  esac\n}`
}

function flags(self: string, program: Program): string {
  const branches = [...program.commands.map(command => [command.name, flagsOf(program, command)] as const), ['', program.flags] as const]
    .map(([name, flags]) => `  '${name}') ${self}_offer ${flags.flatMap(typedOf).join(' ')} ;;\n`)
  return `${self}_flags() {\n  case $1 in\n${branches.join('')}  esac\n}`
}

function positionals(self: string, { commands }: Program): string {
  const branches = commands.flatMap(({ name, argument, argumentChoices }) =>
    argument === undefined ? [] : [`  ${name}) ${actionOf(self, completionOf(argument, argumentChoices))} ;;\n`])
  const first = `  '') ${self}_offer ${commands.map(({ name }) => name).join(' ')} ;;\n`
  return `${self}_argument() {\n  case $1 in\n${branches.join('')}${first}  esac\n}`
}

function entry(self: string, { commands }: Program): string {
  return `${self}() {
  local before word kept quote stem= command= last i
  COMPREPLY=()
  ${self}_read
  case \${before[1]-} in ${commands.map(({ name }) => name).join(' | ')}) command=\${before[1]} ;; esac
  for ((i = 1; i < \${#before[@]}; i++)); do
    if [[ \${before[i]} == -- ]]; then
      ${self}_argument "$command"
      return
    fi
  done
  last=\${before[\${#before[@]} - 1]-}
  if [[ $last == -* ]] && ${self}_value "$command $last"; then
    return
  elif [[ $word == --*=* ]]; then
    stem=\${word%%=*}=
    ${self}_value "$command \${word%%=*}"
  elif [[ $word == -* ]]; then
    ${self}_flags "$command"
  elif [[ $command || \${#before[@]} -eq 1 ]]; then
    ${self}_argument "$command"
  fi
}`
}

/** File names are readline's own work: it quotes them, and knows `~`. */
function actionOf(self: string, completion: Completion): string {
  switch (completion.by) {
    case 'nothing': return ':'
    case 'files': return 'compopt -o default'
    case 'directories': return 'compopt -o dirnames'
    case 'words': return `${self}_offer ${completion.words.join(' ')}`
    case 'list': return `${self}_list ${completion.list}`
  }
}
