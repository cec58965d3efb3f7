/**
 * Shows that the campaigns can fail: the same campaigns against a daemon that was broken from outside. A break that no campaign
 * notices within its strikes is itself a failure.
 */
import { join } from 'node:path'
import { Violation } from '../support/record.ts'
import { type Aim, EVERYTHING, RECLAIMING } from './aim.ts'
import { NEVER, runCampaign } from './campaign.ts'
import type { FileSystemName } from './power-disk.ts'
import { KilledDaemon, PoweredMachine, type Victim } from './victims.ts'

export const BREAKS = [
  'no-sync', 'ack-before-mark', 'mark-before-bytes', 'forget-before-unlink', 'unlink-before-commit', 'no-unlink-sync',
] as const
export type Break = (typeof BREAKS)[number]

/** What shows where things expire. */
const OF_RECLAIMING: ReadonlySet<Break> = new Set(['forget-before-unlink', 'unlink-before-commit', 'no-unlink-sync'])

/** Whose power is cut for it, where that matters: on ext4 each sync of the catalog takes the unlinks along. */
export const FILE_SYSTEM_OF: Readonly<Partial<Record<Break, FileSystemName>>> = { 'no-unlink-sync': 'btrfs' }

export type Strike = 'kill' | 'cut'

/** What gives the break away. A killed process leaves its unsynced writes in the page cache: only a power cut can miss a sync. */
export function strikesThatShow(broken: Break): readonly Strike[] {
  if (broken === 'no-sync' || broken === 'no-unlink-sync') return ['cut']
  return OF_RECLAIMING.has(broken) ? ['kill', 'cut'] : ['kill']
}

/** The violation that gave the break away; undefined where nothing was noticed. */
export async function catchBreak(broken: Break, seed: number, strikes: number, by: Strike): Promise<Violation | undefined> {
  const victim = breakDown(broken, by)
  try {
    // A break that does not even start proves nothing.
    await victim.up()
    victim.spawn(NEVER)
    await victim.daemon.ready()
    await victim.daemon.kill()
    await victim.down()
    const aim: Aim = OF_RECLAIMING.has(broken) ? RECLAIMING : EVERYTHING
    await runCampaign({ seed, strikes, victim, aim })
    return undefined
  } catch (cause) {
    if (cause instanceof Violation) return cause
    throw cause
  } finally {
    await victim.dispose()
  }
}

function breakDown(broken: Break, by: Strike): Victim {
  const execArgv = ['--import', join(import.meta.dirname, 'sabotage', `${broken}.ts`)]
  return by === 'cut' ? new PoweredMachine({ execArgv }, FILE_SYSTEM_OF[broken]) : new KilledDaemon({ execArgv, durability: 'power' })
}
