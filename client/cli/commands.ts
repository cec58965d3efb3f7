/** The table of commands, a line for each; and the program that it makes, for its manual and for the completion of shells. */
import { COMMON_FLAGS, type Command } from './command.ts'
import { completion } from './completion.ts'
import { daemonSettings } from './daemon-settings.ts'
import { demo } from './demo.ts'
import { doctor } from './doctor.ts'
import { get } from './get.ts'
import { ls } from './ls.ts'
import type { Program } from './manual/program.ts'
import { put } from './put.ts'
import { relay } from './relay.ts'
import { rm } from './rm.ts'
import { status } from './status.ts'
import { tag } from './tag.ts'
import { token } from './token.ts'
import { watch } from './watch.ts'
import { why } from './why.ts'

export const COMMANDS: readonly Command[] = [
  put, get, ls, tag, rm, status, why, watch, token, relay, doctor, daemonSettings, demo, completion(tallyProgram),
]

export function tallyProgram(): Program {
  return {
    name: 'tally',
    summary: 'hand files to tallyd, which acknowledges every chunk once it is safe',
    commands: COMMANDS,
    commonFlags: COMMON_FLAGS,
    flags: [
      ...COMMON_FLAGS.filter(({ name }) => name === 'help'),
      { name: 'version', help: 'print the version and exit' },
    ],
  }
}
