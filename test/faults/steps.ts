/**
 * The steps that reclaiming consists of, in `tallyd gc` and `fsck` as in a daemon, at which a process can strike itself (`blow-at.ts`): no
 * clock would hit the moment after an unlink.
 */
import type { Random } from '../support/random.ts'

/** Of a blob's name; before and after a directory's sync; before and after a transaction's end; after a part of the log was moved. */
export const STEPS = ['unlinked', 'syncing', 'synced', 'committing', 'committed', 'checkpointed'] as const
export type Step = (typeof STEPS)[number]

/** About as many as there are; beyond the last one nothing falls. */
const COUNT_MAX: Readonly<Record<Step, number>> = { unlinked: 40, syncing: 3, synced: 3, committing: 6, committed: 6, checkpointed: 4 }

/** For `TALLY_TEST_STEP`. */
export function drawStep(random: Random): string {
  const step = random.pick([...STEPS, 'unlinked'] as const)
  return `${step} ${random.magnitude(1, COUNT_MAX[step])}`
}

/** What a process that strikes itself says before, and at which step it did so. */
export function lastWords(step: Step): string {
  return `struck: ${step}\n`
}

/** The step at which a process that has said this struck itself. */
export function stepOf(words: string): Step | undefined {
  return STEPS.find(step => words.includes(lastWords(step)))
}
