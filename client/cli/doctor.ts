/** `tally doctor`: is it set up right? Each thing that can be wrong is looked at in turn, and told with its remedy. */
import { UsageError } from './arguments.ts'
import type { Command } from './command.ts'
import { type Finding, findings } from './doctor-checks.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit.ts'
import { type Style, styled } from './terminal.ts'
import { escaped } from './text.ts'

const STYLE_OF: Readonly<Record<Finding['level'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red' }

export const doctor: Command = {
  name: 'doctor',
  usage: '',
  summary: 'look whether it is set up right, and say what to do',
  examples: [
    ['tally doctor', 'check socket, token, daemon, store and limits: ok, warn or fail, each with its remedy'],
    ['tally doctor --token-file job.token', 'with the token that a job uses'],
  ],
  flags: [],
  async run({ given, output, signal }) {
    if (given.positionals.length > 0) throw new UsageError('doctor takes no arguments besides flags')
    let exit: ExitCode = EXIT.DONE
    for await (const { check, level, found, remedy, error } of findings(given, signal)) {
      if (level === 'fail' && exit === EXIT.DONE) exit = error === undefined ? EXIT.FAILED : exitCodeOf(error)
      const advice = remedy === undefined ? '' : `\n      ${' '.repeat(8)}${escaped(remedy)}`
      const text = `${styled(output.results, STYLE_OF[level], level.padEnd(4))}  ${check.padEnd(8)}${escaped(found)}${advice}`
      output.result(text, { check, level, found, ...(remedy === undefined ? {} : { remedy }) })
    }
    return exit
  },
}
