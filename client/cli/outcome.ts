/**
 * What becomes of a command that does the same for many things: each failure is told and the rest goes on; the exit code is that of the
 * first failure.
 */
import type { Context } from './command.ts'
import { EXIT, type ExitCode, errorValue, exitCodeOf } from './exit.ts'
import { escaped } from './text.ts'

export type Subject = { readonly id: string; readonly name?: string } | { readonly path: string; readonly name?: string }

export class Outcome {
  readonly #context: Context
  #exit: ExitCode = EXIT.DONE

  constructor(context: Context) {
    this.#context = context
  }

  get exit(): ExitCode {
    return this.#exit
  }

  /**
   * @param subject what failed, as JSON shows it; people read its values
   * @param about what else is to be said of it: as people read it, in the place of what to do next, and as JSON has it
   * @throws the error itself, once the user has interrupted: then nothing goes on
   */
  failed(subject: Subject, error: unknown, about?: { readonly text: string; readonly value: object }): void {
    const { output, signal } = this.#context
    if (signal.aborted) throw signal.reason
    const exit = exitCodeOf(error)
    if (this.#exit === EXIT.DONE) this.#exit = exit
    const value = errorValue(error)
    if (output.json) output.result('', { ...subject, ...about?.value, error: value })
    const hint = about !== undefined ? `; ${about.text}`
      : exit === EXIT.INCOMPLETE ? '; run the same command again to continue'
      : value.code === 'exists' ? '; --force replaces it' : ''
    output.say(`tally: ${escaped(Object.values(subject).join('  '))}: ${escaped(value.reason)}${hint}`)
  }
}

/** Does `work` for one thing after the other. */
export async function forEach<T>(
  context: Context, things: Iterable<T>, subjectOf: (thing: T) => Subject, work: (thing: T) => Promise<void>,
): Promise<ExitCode> {
  const outcome = new Outcome(context)
  for (const thing of things) {
    try {
      await work(thing)
    } catch (error) {
      outcome.failed(subjectOf(thing), error)
    }
  }
  return outcome.exit
}
