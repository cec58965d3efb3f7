/** The table of tallyd's commands: one line each. `tallyd` without one of them is the daemon. */
import { nearest } from '../flags.ts'
import { UsageError } from '../mistakes.ts'
import type { StoreCommand } from './command.ts'
import { exportCommand, importCommand } from './export.ts'
import { fsck } from './fsck.ts'
import { gc } from './gc.ts'

export const COMMANDS: readonly StoreCommand[] = [fsck, gc, exportCommand, importCommand]

/** The rows of tallyd's help. */
export const commandRows: readonly (readonly [typed: string, help: string])[] = COMMANDS.flatMap(({ examples: [first] }) => first === undefined ? [] : [first])

/** The command that the arguments begin with. Throws a UsageError for an unknown one. */
export function commandOf([name = '']: readonly string[]): StoreCommand {
  const command = COMMANDS.find(each => each.name === name)
  if (command !== undefined) return command
  const near = nearest(name, COMMANDS.map(each => each.name))
  throw new UsageError(`there is no command ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`} (tallyd --help lists them)`)
}
