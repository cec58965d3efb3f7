/**
 * What is wrong with the command line, the environment or the configuration file: as an error, and gathered from all of them, so that an
 * operator is told everything at once. What is wrong, those who read say.
 */

/** Goes to the user, a line for each mistake; the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** Sentences, at least one. */
  readonly mistakes: readonly string[]

  constructor(mistakes: string | readonly string[], options: ErrorOptions = {}) {
    const list = typeof mistakes === 'string' ? [mistakes] : mistakes
    super(list.join('; '), options)
    this.mistakes = list
  }
}

/** What `use` gives. Whatever it throws becomes a mistake in the setting that the label calls. */
export function ofSetting<T>(label: string, use: () => T): T {
  try {
    return use()
  } catch (cause) {
    throw new UsageError(`${label}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

export class Mistakes {
  readonly #found: string[] = []

  add(mistake: string): void {
    this.#found.push(mistake)
  }

  /**
   * What `read` gives. A UsageError that it throws is kept; what this gives then is undefined, whatever the type says, and nobody may
   * build on it: `refuse` comes before any use.
   */
  attempt<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      this.#found.push(...error.mistakes)
      return undefined as T
    }
  }

  /** Throws a UsageError with all that was found, if anything was, or what is made of it. */
  refuse(as: (found: UsageError) => UsageError = found => found): void {
    if (this.#found.length > 0) throw as(new UsageError(this.#found))
  }
}
