/**
 * What a process takes of the machine, as the kernel counts it: resident memory and processor time, all threads together. A count of
 * ours inside the process would cost what it counts.
 */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

/** The kernel's clock ticks, in which it tells processor time: 100 a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** VmRSS, in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line === null) throw new Error(`process ${pid} has no memory: it has ended`)
  return Number(line[1]) * 1024
}

/** User and system time since the process began, threads that have ended included. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name of the program, in parentheses, may hold anything; behind it the fields are counted from the third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The highest resident memory while something runs, looked at every 20 ms. */
export async function peakResidentBytes(pid: number, during: Promise<unknown>): Promise<number> {
  let running = true
  const ended = during.finally(() => {
    running = false
  })
  let peakBytes = residentBytes(pid)
  while (running) {
    await Promise.race([ended, setTimeout(20)])
    peakBytes = Math.max(peakBytes, residentBytes(pid))
  }
  await ended
  return peakBytes
}
