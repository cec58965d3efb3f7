/**
 * `tally completion`: the script by which a shell completes our lines, made from the table of commands. What only the daemon knows, tags
 * and ids, the scripts ask for with `--list`: a line for each candidate, as no shell reads JSON.
 */
import { homedir } from 'node:os'
import type { FileState } from '../../protocol/index.ts'
import type { Tally } from '../index.ts'
import { Arguments, UsageError, unknown } from './arguments.ts'
import { COMMON_FLAGS, type Command, type Context, connectAs } from './command.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit.ts'
import { bashCompletion } from './manual/bash.ts'
import { fishCompletion } from './manual/fish.ts'
import { LIST_KINDS, type ListKind, type Program } from './manual/program.ts'
import { zshCompletion } from './manual/zsh.ts'
import { countText, escaped } from './text.ts'

/** By the shell's name. */
export const SCRIPTS: Readonly<Record<string, (program: Program) => string>> = {
  bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion,
}
const SHELLS = Object.keys(SCRIPTS)
/** Somebody waits for it with a finger on the key. */
const LIST_TIMEOUT_MS = 2000
/** The newest files: what is older is typed, or listed by `ls`. */
const FILES_MAX = 1000
const UNFINISHED = ['receiving', 'finishing'] as const satisfies readonly FileState[]

/** @param program asked for when it is needed: the table has this command in it */
export function completion(program: () => Program): Command {
  return {
    name: 'completion',
    usage: SHELLS.join('|'),
    argument: 'choice',
    argumentChoices: SHELLS,
    summary: 'print what makes a shell complete commands, flags, tags and ids',
    examples: [
      ['source <(tally completion bash)', 'in ~/.bashrc; for zsh the same with zsh in ~/.zshrc, after compinit'],
      ['tally completion bash > ~/.local/share/bash-completion/completions/tally', 'where bash-completion is installed'],
      ['tally completion zsh > /usr/local/share/zsh/site-functions/_tally', 'or into any directory of $fpath'],
      ['tally completion fish > ~/.config/fish/completions/tally.fish', 'where fish looks'],
    ],
    flags: [{
      name: 'list', value: 'KIND', kind: 'choice', choices: LIST_KINDS,
      help: 'what the scripts ask: tags, ids, or fids of what is unfinished, of your newest files; after -- the words that were typed',
    }],
    async run(context) {
      const { given, output } = context
      const list = given.one('list') as ListKind | undefined
      if (list !== undefined) return listQuietly(context, list)
      const [shell, extra] = given.positionals
      if (shell === undefined || extra !== undefined) throw new UsageError(`completion takes one of ${SHELLS.join(', ')}`)
      const script = SCRIPTS[shell]?.(program())
      if (script === undefined) throw unknown('shell', shell, SHELLS)
      output.result(script.trimEnd(), { shell, script })
      return EXIT.DONE
    },
  }
}

/** Whatever fails: what was found until then is a help, and a message in the middle of somebody's line is none. */
async function listQuietly(context: Context, kind: ListKind): Promise<ExitCode> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(LIST_TIMEOUT_MS)])
  const found = new Map<string, string>()
  let exit: ExitCode = EXIT.DONE
  try {
    await using tally = await connectAs({ given: connectionOf(context.given.positionals), signal }, ['find'])
    await (kind === 'tag' ? findTags : kind === 'id' ? findIds : findUnfinished)(tally, signal, found)
  } catch (error) {
    exit = exitCodeOf(error)
  }
  for (const [value, about] of found) context.output.result(`${value}\t${about}`, { value, about })
  return exit
}

type Find = (tally: Tally, signal: AbortSignal, found: Map<string, string>) => Promise<void>

/** The most frequent first. A tag that a line cannot hold is left out. */
const findTags: Find = async (tally, signal, found) => {
  const counts = new Map<string, number>()
  try {
    for await (const { tags } of tally.find({}, { signal, limit: FILES_MAX })) {
      for (const tag of tags) if (tag === escaped(tag)) counts.set(tag, 1 + (counts.get(tag) ?? 0))
    }
  } finally {
    for (const [tag, count] of [...counts].sort(([, a], [, b]) => b - a)) found.set(tag, countText(count, 'file'))
  }
}

const findIds: Find = async (tally, signal, found) => {
  for await (const { fid, file, name } of tally.find({}, { signal, limit: FILES_MAX })) found.set(`${fid}/${file}`, escaped(name))
}

const findUnfinished: Find = async (tally, signal, found) => {
  for (const state of UNFINISHED) {
    for await (const { fid, name } of tally.find({ state }, { signal, limit: FILES_MAX })) found.set(fid, escaped(name))
  }
}

/** Which daemon the line means. It is not finished, so whatever else is on it is passed over. */
function connectionOf(words: readonly string[]): Arguments {
  const values = new Map<string, readonly string[]>()
  for (const { name } of COMMON_FLAGS.filter(({ value }) => value !== undefined)) {
    const at = words.findLastIndex(word => word === `--${name}` || word.startsWith(`--${name}=`))
    const word = words[at] ?? ''
    const value = word.includes('=') ? word.slice(word.indexOf('=') + 1) : words[at + 1]
    // The shell has not replaced it: the line is still being typed.
    if (at >= 0 && value !== undefined) values.set(name, [value.replace(/^~(?=\/)/, homedir())])
  }
  return new Arguments([], values)
}
