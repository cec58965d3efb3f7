/**
 * What in a configuration that is right may be meant otherwise: told by `--check-config`, at the start and after a reload, and never in the
 * way of any of them.
 */
import { statSync } from 'node:fs'
import { type Config, labelOf } from './config.ts'
import { limitsThatNeverHold } from './never-holds.ts'
import type { Settings } from './settings.ts'

const OTHERS_WRITE = 0o002
const OTHERS_READ_OR_WRITE = 0o006

/** A sentence for each. Of a configuration with mistakes what is right in it is looked at. */
export function warningsOf(config: Partial<Config>, settings: Settings): readonly string[] {
  return [...limitsThatNeverHold(settings), ...openSocket(config, settings), ...openSecret(config, settings)]
}

/** As `tally` looks at a socket (protocol, section 5). */
function openSocket({ socketMode = 0 }: Partial<Config>, settings: Settings): readonly string[] {
  if ((socketMode & OTHERS_WRITE) === 0) return []
  return [`${labelOf('socket-mode', settings)} = ${octal(socketMode)} lets everybody write to the socket, and to such a one tally sends no token: ` +
    '0660 with a socket-group lets that group connect']
}

function openSecret({ keySource }: Partial<Config>, settings: Settings): readonly string[] {
  if (keySource?.kind !== 'secret') return []
  const mode = modeOf(keySource.path)
  if ((mode & OTHERS_READ_OR_WRITE) === 0) return []
  const label = labelOf('secret-file', settings)
  return [`${label} = ${keySource.path} has the mode ${octal(mode)}: whoever can read it can make tokens of any user ` +
    '(chmod 600, or 640 with a group of its own)']
}

/** 0 where nobody can tell. */
function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777
  } catch {
    return 0
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8).padStart(3, '0')}`
}
