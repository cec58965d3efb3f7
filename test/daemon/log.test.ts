/** The daemon's log lines. */
import { test } from 'tap'
import { createLogger, type LogFormat, type LogLevel } from '../../daemon/log.ts'
import { withoutRepeats } from '../../daemon/log-repeats.ts'

function logger(format: LogFormat, level: LogLevel = 'info') {
  const lines: string[] = []
  return { lines, log: createLogger({ format, level, write: line => lines.push(line), nowMs: () => 1_800_000_000_000 }) }
}

test('text lines have the time, the level, the message and the fields', async t => {
  const { lines, log } = logger('text')
  log.info('listening', { socket: '/run/tally.sock', connections: 3, open: true, absent: undefined, name: 'two words "quoted"' })
  t.strictSame(lines, ['2027-01-15T08:00:00.000Z info  listening socket=/run/tally.sock connections=3 open=true name="two words \\"quoted\\""\n'])
})

test('JSON lines are one object each, and a field cannot pose as the level', async t => {
  const { lines, log } = logger('json')
  log.warn('odd', { level: 'info', code: 'busy' })
  t.strictSame(lines.map(line => JSON.parse(line)), [{ time: '2027-01-15T08:00:00.000Z', level: 'warn', message: 'odd', code: 'busy' }])
})

test('lines below the level are not written', async t => {
  for (const [level, count] of [['debug', 4], ['info', 3], ['warn', 2], ['error', 1]] as const) {
    const { lines, log } = logger('text', level)
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
    t.equal(lines.length, count)
  }
})

test('nothing that a stranger sent breaks a line or steers a terminal', async t => {
  for (const format of ['text', 'json'] as const) {
    const { lines, log } = logger(format)
    const evil = 'a\nb\r\u001b[2J\u0085\u2028\u202e\u{e0001}'
    log.error(evil, { evil })
    t.equal(lines.length, 1)
    t.match(lines[0], /^[\x20-\x7e]+\n$/)
    if (format === 'json') t.equal((JSON.parse(lines[0] as string) as { evil: string }).evil, evil)
  }
})

test('a long value is cut', async t => {
  for (const format of ['text', 'json'] as const) {
    const { lines, log } = logger(format)
    log.error('x', { value: 'y'.repeat(100_000) })
    t.ok((lines[0]?.length ?? 0) < 3000)
  }
})

test('what repeats is written once, and then with its count', async t => {
  const lines: string[] = []
  let nowMs = 0
  const log = withoutRepeats(createLogger({ format: 'text', level: 'info', write: line => lines.push(line.slice(25).trim()), nowMs: () => nowMs }), () => nowMs)
  for (let i = 0; i < 5; i++) log.error('failed', { code: 'storage-full' })
  log.error('failed', { code: 'storage-failed' })
  log.info('other')
  nowMs = 9_999
  log.error('failed', { code: 'storage-full' })
  nowMs = 10_000
  log.info('later')
  log.info('later')
  log.error('failed', { code: 'storage-full' })
  t.strictSame(lines, [
    'error failed code=storage-full', 'error failed code=storage-failed', 'info  other', 'error failed code=storage-full repeated=5', 'info  later', 'info  later',
    'error failed code=storage-full',
  ])
})

test('a flood of different lines is written as it comes', async t => {
  const lines: string[] = []
  const log = withoutRepeats(createLogger({ format: 'text', level: 'info', write: line => lines.push(line), nowMs: () => 0 }), () => 0)
  for (let i = 0; i < 200; i++) log.warn(`odd ${i}`)
  for (let i = 0; i < 200; i++) log.warn(`odd ${i}`)
  t.equal(lines.length, 200 + 200 - 64)
})
