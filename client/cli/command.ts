/** What a command is: its line in the table of commands, and what it gets to work with. */
import { homedir } from 'node:os'
import { type Tally, connect } from '../index.ts'
import { type Arguments, type Flag, type ValueKind, secondsOf } from './arguments.ts'
import type { ExitCode } from './exit.ts'
import type { Output } from './output.ts'
import { settingsOf, tokenSource } from './settings.ts'

export interface Context {
  readonly given: Arguments
  readonly output: Output
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal
}

export interface Command {
  readonly name: string
  /** Its arguments, as the help shows them. */
  readonly usage: string
  /** What these are, for whoever completes them; absent: there are none. */
  readonly argument?: ValueKind
  /** With the kind `choice`. */
  readonly argumentChoices?: readonly string[]
  readonly summary: string
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** Besides those that all commands have. */
  readonly flags: readonly Flag[]
  /** Whether the same command after an interruption goes on with what is missing. */
  readonly resumes?: boolean
  /** Whether it goes on to its end when nobody reads its results any more, because it changes something; else that is its end. */
  readonly outlivesReader?: (given: Arguments) => boolean
  run(context: Context): Promise<ExitCode>
}

/** What every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: 'socket', value: 'PATH', kind: 'path', help: 'the daemon\'s socket (TALLY_SOCKET; default $XDG_RUNTIME_DIR/tally/tally.sock, else ~/.local/state/tally/tally.sock)' },
  { name: 'token-file', value: 'FILE', kind: 'path', help: 'a file with a token (else TALLY_TOKEN, else one is minted with the secret)' },
  { name: 'secret-file', value: 'FILE', kind: 'path', help: 'the daemon\'s secret (TALLY_SECRET_FILE; default ~/.config/tally/secret)' },
  { name: 'json', help: 'print results as JSON, one object a line' },
  { name: 'help', short: 'h', help: 'print this and exit' },
]

/** For commands that move content. */
export const RETRY_FLAG: Flag = {
  name: 'retry-for', value: 'TIME', kind: 'time', help: 'give up when nothing moves for so long: 30s, 10m (default 60s); where no daemon answers at the beginning, at once',
}

/**
 * A connection as the common flags, and RETRY_FLAG where the command has it, say.
 * @param scope what a token that is minted for this may do; absent: everything but admin. A token that was given is used as it is
 */
export function connectAs({ given, signal, output }: Pick<Context, 'given' | 'signal'> & Partial<Context>, scope?: readonly string[]): Promise<Tally> {
  const retryFor = given.one(RETRY_FLAG.name)
  const { socket, token, trustedUids } = settingsOf(given, process.env, homedir())
  return connect({
    ...(retryFor === undefined ? {} : { timings: { retryForMs: 1000 * secondsOf(RETRY_FLAG.name, retryFor) } }),
    socket: socket.value,
    trustedUids,
    token: tokenSource(token, scope),
    signal,
    // Whoever waits wants to know what for: a daemon that is busy, say.
    onEvent: event => {
      if (event.type === 'retry') output?.event('', event)
    },
  })
}
