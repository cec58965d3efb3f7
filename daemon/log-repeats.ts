/**
 * Says a line once that would be said again and again: of equal warnings and errors within a while only the first is written, and with the
 * next one, or any other line after that while, how many there were. A full disk fails a hundred times a second, always the same.
 */
import type { LogFields, Logger } from './log.ts'

const WHILE_MS = 10_000
/** Different lines that are remembered; more than these repeat undisturbed. */
const LINES_MAX = 64

interface Repeated {
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly fields: LogFields
  sinceMs: number
  /** Not written since. */
  count: number
}

export function withoutRepeats(log: Logger, nowMs: () => number): Logger {
  const seen = new Map<string, Repeated>()
  const flush = (): void => {
    for (const [key, line] of seen) {
      if (nowMs() - line.sinceMs < WHILE_MS) continue
      seen.delete(key)
      if (line.count > 0) log[line.level](line.message, { ...line.fields, repeated: line.count })
    }
  }
  const once = (level: 'warn' | 'error') => (message: string, fields: LogFields = {}): void => {
    flush()
    const key = `${level} ${message} ${JSON.stringify(fields)}`
    const before = seen.get(key)
    if (before !== undefined) {
      before.count++
      return
    }
    if (seen.size < LINES_MAX) seen.set(key, { level, message, fields, sinceMs: nowMs(), count: 0 })
    log[level](message, fields)
  }
  return {
    debug: (message, fields) => log.debug(message, fields),
    info: (message, fields) => {
      flush()
      log.info(message, fields)
    },
    warn: once('warn'),
    error: once('error'),
  }
}
