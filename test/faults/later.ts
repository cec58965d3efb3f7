/**
 * `node --import …/later.ts daemon/main.ts`: a daemon whose clock is ahead by `TALLY_TEST_LATER_MS`, so that what expires need not be
 * waited for. With `TALLY_TEST_JUMP_MS` it goes on by that at each SIGUSR2, and what comes every ten seconds or more rarely comes often.
 */
import { isMainThread } from 'node:worker_threads'

const RARE_MS = 10_000
const OFTEN_MS = 20
let laterMs = Number(process.env['TALLY_TEST_LATER_MS'] ?? 0)
const nowMs = Date.now

Date.now = () => nowMs() + laterMs

const jumpMs = Number(process.env['TALLY_TEST_JUMP_MS'] ?? 0)
if (jumpMs > 0 && isMainThread) {
  process.on('SIGUSR2', () => { laterMs += jumpMs })
  const { setInterval } = globalThis
  const sooner = (run: () => void, delayMs = 0): NodeJS.Timeout => setInterval(run, delayMs >= RARE_MS ? OFTEN_MS : delayMs)
  Object.assign(globalThis, { setInterval: sooner })
}
