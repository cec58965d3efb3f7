/**
 * What a service manager and a service tell each other, as systemd has it: sockets that were made before we started (sd_listen_fds), and
 * that we are ready or stopping (sd_notify). Without a service manager none of it happens.
 */
import { spawn } from 'node:child_process'
import type { Logger } from './log.ts'

/** The first descriptor after the standard ones. */
const FIRST_FD = 3
const FDS_MAX = 64

/** The descriptors of listening sockets that were passed to this very process. */
export function passedSockets(env: Readonly<Record<string, string | undefined>>, pid: number): readonly number[] {
  if (env['LISTEN_PID'] !== String(pid)) return []
  const count = /^\d{1,2}$/.test(env['LISTEN_FDS'] ?? '') ? Math.min(Number(env['LISTEN_FDS']), FDS_MAX) : 0
  return Array.from({ length: count }, (_, index) => FIRST_FD + index)
}

/** Tells the manager, if there is one. Node has no datagram sockets of Unix, so systemd's own program carries it (`NotifyAccess=all`). */
export function notifyManager(state: 'READY=1' | 'STOPPING=1', log: Logger): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return
  const child = spawn('systemd-notify', [`--pid=${process.pid}`, state], { stdio: 'ignore' })
  child.on('error', cause => log.warn('the service manager could not be told', { state, cause: String(cause) }))
  child.on('exit', code => {
    if (code !== 0) log.warn('the service manager could not be told', { state, exit: code ?? undefined })
  })
}
