/** The daemon's log lines. */
import { test } from 'tap'
import { createLogger, type LogFormat, type LogLevel } from '../../daemon/log.ts'

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
