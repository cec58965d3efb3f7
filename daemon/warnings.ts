/**
 * What in a configuration that is right may be meant otherwise: told by `--check-config`, at the start and after a reload, and never in the
 * way of any of them.
 */
import { readFileSync, statSync } from 'node:fs'
import { type Config, labelOf } from './config.ts'
import { limitsThatNeverHold } from './never-holds.ts'
import type { Settings } from './settings.ts'

const OTHERS_WRITE = 0o002
const OTHERS_READ_OR_WRITE = 0o006
const OPEN_FILES_MIN = 1024

/** A sentence for each. Of a configuration with mistakes what is right in it is looked at. */
export function warningsOf(config: Partial<Config>, settings: Settings): readonly string[] {
  return [...limitsThatNeverHold(settings), ...openSocket(config, settings), ...openSecret(config, settings), ...fewFiles()]
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

/** Node has raised the soft limit to the hard one by now. What cannot be accepted for want of descriptors the kernel or libuv closes, and no one can log it. */
function fewFiles(): readonly string[] {
  const files = openFilesMax()
  if (files >= OPEN_FILES_MIN) return []
  return [`only ${files} files may be open at once (ulimit -n): each connection takes one, and who connects when there is none left is cut off without an answer; ` +
    `let it be ${OPEN_FILES_MIN} or more`]
}

/** Only Linux tells. */
function openFilesMax(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === '' ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
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
