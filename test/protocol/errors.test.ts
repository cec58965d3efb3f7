/** The table of errors: what is fatal, and what becomes of what is none of ours. */
import { test } from 'tap'
import { TallyError, asTallyError, isErrorCode } from '../../protocol/errors.ts'

test('an error has its code\'s fatality unless it says otherwise, and keeps its cause', async t => {
  t.equal(new TallyError('busy', 'x').fatal, false)
  t.equal(new TallyError('shutting-down', 'x').fatal, true)
  t.equal(new TallyError('malformed', 'x', {}, { fatal: true }).fatal, true)
  const cause = new Error('first')
  t.equal(new TallyError('storage-failed', 'x', {}, { cause }).cause, cause)
})

test('a refusal stays what it is; everything else is internal, with what was thrown as its cause', async t => {
  const refusal = new TallyError('conflict', 'x', { state: 'gone' })
  t.equal(asTallyError(refusal), refusal)
  const thrown = new RangeError('ours')
  t.match(asTallyError(thrown), { code: 'internal', cause: thrown, fatal: false })
})

test('only the codes of the table are codes', async t => {
  t.equal(isErrorCode('not-found'), true)
  for (const other of ['toString', '', 1, undefined]) t.equal(isErrorCode(other), false)
})
