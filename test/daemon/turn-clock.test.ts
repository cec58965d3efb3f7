import { execFileSync } from 'node:child_process'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { turnClock } from '../../daemon/turn-clock.ts'

t.test('the time stands still for a turn of the event loop, and goes on with the next', async t => {
  const nowMs = turnClock()
  const first = nowMs()
  for (let ms = first; ms < first + 5; ms = Date.now()) t.equal(nowMs(), first)
  await setImmediate()
  const second = nowMs()
  t.ok(second >= first + 5)
  t.ok(Date.now() >= second)
})

t.test('what the loop waited for is judged by its own time, also where a timer asked before', async t => {
  // In a process of its own, whose loop nothing else wakes.
  const program = `
    import { spawn } from 'node:child_process'
    import { turnClock } from ${JSON.stringify(import.meta.resolve('../../daemon/turn-clock.ts'))}
    const nowMs = turnClock()
    let asked = 0
    setTimeout(() => { asked = nowMs() }, 100)
    spawn('sleep', ['0.4'], { stdio: 'ignore' }).on('exit', () => console.log(Date.now() === asked || nowMs() > asked))
  `
  t.equal(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }), 'true\n')
})
