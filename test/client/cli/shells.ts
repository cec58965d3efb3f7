/** What completion does in each shell: real ones, on a terminal, with the TAB key, against a real daemon with a tag as bad as can be. */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { MAIN, setUp } from './run-cli.ts'

const TYPIST = join(import.meta.dirname, '../../support/typist.py')
const PROMPT = 'ready> '
const SHELL_SECONDS_MAX = 60
/** Each piece would leave `pwned` behind if anything ran it. */
const EVIL = 'evil $(touch pwned) `touch pwned` "it\'s" \\ ; touch pwned & * ~ # {a,b} $HOME %s [z]'

export interface Shell {
  readonly name: string
  /** Its arguments; `script` is the file with the completion, to be read at the start. */
  args(script: string, directory: string): readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export const BASH: Shell = {
  name: 'bash',
  args(script, directory) {
    const file = join(directory, 'bashrc')
    writeFileSync(file, `PS1='${PROMPT}'; bind 'set enable-bracketed-paste off'; source '${script}'\n`)
    return ['--noprofile', '--rcfile', file, '-i']
  },
}

export const ZSH: Shell = {
  name: 'zsh',
  args(script, directory) {
    writeFileSync(join(directory, '.zshrc'), `PS1='${PROMPT}'; unsetopt beep; autoload -Uz compinit; compinit -u -D; source '${script}'\n`)
    return ['-d', '-i']
  },
}

export const FISH: Shell = {
  name: 'fish',
  args(script) {
    const start = `function fish_prompt; echo -n '${PROMPT}'; end; set -g fish_greeting; source '${script}'`
    return ['--private', '--init-command', start, '--interactive']
  },
}

/** Types a line, and compares how `tally` was called then. */
export async function completes(t: Test, shell: Shell): Promise<void> {
  const { daemon, directory, run } = await setUp(t)
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  // Asked for completion it is the real one; else it writes down how it was called, and ends the shell.
  writeFileSync(join(bin, 'tally'), `#!/bin/sh
if [ "$1" = completion ]; then exec '${process.execPath}' '${MAIN}' "$@"; fi
printf '%s\\0' "$@" > "$RECORD"
kill -HUP "$PPID"
`)
  chmodSync(join(bin, 'tally'), 0o755)
  writeFileSync(join(directory, 'note $(touch pwned).txt'), 'a note')
  writeFileSync(join(directory, 'a'), 'content')
  const fid = `${(await run(['put', 'a', '--tag', EVIL, '--tag', 'x:y=z', '--tag', 'Qui\u202eback', '--json'])).json[0]?.['fid']}`
  const script = join(directory, 'script')
  writeFileSync(script, (await run(['completion', shell.name])).stdout)

  const cases: readonly (readonly [typed: string, called: readonly string[]])[] = [
    ['tally stat\t', ['status']],
    ['tally watch --js\t', ['watch', '--json']],
    ['tally ls --state rec\t', ['ls', '--state', 'receiving']],
    ['tally ls --tag ev\t', ['ls', '--tag', EVIL]],
    ['tally ls --json -t ev\t', ['ls', '--json', '-t', EVIL]],
    ['tally ls --tag "ev\t', ['ls', '--tag', EVIL]],
    ['tally ls --tag \'ev\t', ['ls', '--tag', EVIL]],
    ['tally ls --tag=ev\t', ['ls', `--tag=${EVIL}`]],
    ['tally ls --tag x:\t', ['ls', '--tag', 'x:y=z']],
    ['tally ls --tag Qui\t', ['ls', '--tag', 'Qui']],
    [`tally get ${fid.slice(0, 8)}\t`, ['get', `${fid}/0`]],
    ['tally put not\t', ['put', 'note $(touch pwned).txt']],
    ['tally get -o not\t', ['get', '-o', 'note $(touch pwned).txt']],
    ['tally ls --socket ./nowhere --tag ev\t', ['ls', '--socket', './nowhere', '--tag', 'ev']],
    [`TALLY_SOCKET=nowhere tally ls --socket ${daemon.socket} --tag ev\t`, ['ls', '--socket', daemon.socket, '--tag', EVIL]],
  ]
  const record = join(directory, 'record')
  const env = {
    HOME: directory, ZDOTDIR: directory, TERM: 'xterm', LC_ALL: 'C.UTF-8', RECORD: record, PATH: `${bin}${delimiter}${process.env['PATH']}`,
    TALLY_SOCKET: daemon.socket, TALLY_SECRET_FILE: daemon.secretFile,
  }
  const command = [shell.name, ...shell.args(script, directory)]
  for (const [typed, called] of cases) {
    rmSync(record, { force: true })
    const child = spawn('python3', [TYPIST, PROMPT, `${typed}\r`, `${SHELL_SECONDS_MAX}`, ...command], {
      cwd: directory, env, stdio: ['ignore', 'pipe', 'inherit'],
    })
    const screen = await text(child.stdout)
    const words = existsSync(record) ? readFileSync(record, 'utf8').split('\0').slice(0, -1) : 'not called'
    t.strictSame(words, called, JSON.stringify(typed)) || t.comment(JSON.stringify(screen))
  }
  t.notOk(existsSync(join(directory, 'pwned')), 'nothing was run')
}
