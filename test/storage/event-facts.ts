/** What every catalog promises about the numbered events that WATCH tells: one for each change, in its order, and kept with it. */
import type { Test } from 'tap'
import { EVENTS_KEPT_MAX, type Catalog, type EventPage, type EventQuery } from '../../daemon/storage/storage.ts'
import type { Fact } from './conformance.ts'
import { USER, codeOf, digestOf, fidOf, fileOf, limits, markOf, newFile, newTransfer } from './samples.ts'

const META = new Uint8Array([0x81, 0xa1, 0x61, 0x01])

const eventQuery = (fields: Partial<EventQuery> = {}): EventQuery => ({ user: USER, tags: [], anyTags: [], notTags: [], after: 0, limit: 100, ...fields })

/** `3 stored a` for each: number, what, name. */
async function told(catalog: Catalog, fields: Partial<EventQuery> = {}): Promise<string[]> {
  return shown(await catalog.events(eventQuery(fields)))
}

function shown({ events }: EventPage): string[] {
  return events.map(({ sequence, event, name }) => `${sequence} ${event} ${name}`)
}

/** What is told to watchers of any state, each event once. */
async function all(catalog: Catalog, fields: Partial<EventQuery> = {}): Promise<string[]> {
  const states = ['receiving', 'finishing', 'stored', 'removed'] as const
  const lists = await Promise.all(states.map(state => told(catalog, { ...fields, state })))
  return [...new Set(lists.flat())].sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
}

async function isQuiet(t: Test, catalog: Catalog, change: () => Promise<unknown>): Promise<void> {
  const before = await catalog.events(eventQuery({ limit: 0 }))
  await change()
  t.equal((await catalog.events(eventQuery({ limit: 0 }))).sequence, before.sequence)
}

export function eventFacts(fact: Fact): void {
  fact('each change of what a user has is one event, numbered from 1 for each user', async (t, { catalog }, under) => {
    const files = [newFile({ name: 'a', tags: ['x'], meta: META, mediaType: 'm', modifiedMs: 3, expiresMs: 9000 }), newFile({ name: 'b' })]
    const transfer = await catalog.announce(newTransfer(1, files))
    const bobs = await catalog.announce(newTransfer(1, [newFile({ name: 'bobs', tags: ['x'] })], { user: 'bob' }))
    const [a, b] = transfer.files.map(({ id }) => id) as [number, number]
    t.equal((await catalog.events(eventQuery())).sequence, 0)
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 3000 })], 2)
    await catalog.store(a, digestOf('a'), 3000, 7)
    await catalog.store(a, digestOf('a'), 3000, 8)
    await catalog.store(fileOf(bobs, 0).id, digestOf('a'), 3000, 7)
    await catalog.tag({ transfer: transfer.id, files: [a, b], add: ['y'], remove: ['x'] }, 8)
    await catalog.amend({ transfer: transfer.id, files: [{ id: a, addTags: ['z', 'y'] }, { id: b, sizeBytes: 3000 }] }, 9)
    await catalog.remove(transfer.id, [b], 10)
    await catalog.store(await emptyFile(catalog), digestOf(''), 0, 11)
    await catalog.remove(transfer.id, undefined, 12)
    const expected = ['1 stored a', '2 tagged a', '3 tagged b', '4 tagged a', '5 removed b', '6 stored empty', '7 removed a']
    t.strictSame(await all(catalog), expected)
    t.strictSame(await told(catalog, { user: 'bob' }), ['1 stored bobs'])
    t.strictSame(await told(catalog, { user: 'nobody' }), [])
    const { catalog: again } = await under.reopen()
    t.strictSame(await all(again), expected)
    await again.announce(newTransfer(9, [newFile({ name: 'later' })]))
    await again.store((await again.load(USER, fidOf(9)))?.files[0]?.id as number, digestOf('l'), 3000, 13)
    t.strictSame(await told(again, { after: 6 }), ['7 removed a', '8 stored later'], 'numbers go on')
  })

  fact('an event has the file as it was then, a removed one as it was before', async (t, { catalog }) => {
    const file = newFile({ name: 'a', tags: ['x'], meta: META, mediaType: 'm', modifiedMs: 3, expiresMs: 9000 })
    const transfer = await catalog.announce(newTransfer(1, [file]))
    const { id } = fileOf(transfer, 0)
    const base = {
      fid: fidOf(1), number: 0, name: 'a', sizeBytes: 3000, digest: digestOf('a'), mediaType: 'm', modifiedMs: 3, expiresMs: 9000,
      receivedBytes: 3000, createdMs: 1000, storedMs: 7,
    }
    await catalog.store(id, digestOf('a'), 3000, 7)
    await catalog.tag({ transfer: transfer.id, files: [id], add: ['y'], remove: [] }, 8)
    const withMeta = async (): Promise<unknown[]> =>
      (await catalog.events(eventQuery())).events.map(event => ({ ...event, meta: event.meta === null ? null : [...event.meta] }))
    const first = [
      { ...base, sequence: 1, event: 'stored', state: 'stored', tags: ['x'], meta: [...META] },
      { ...base, sequence: 2, event: 'tagged', state: 'stored', tags: ['x', 'y'], meta: [...META] },
    ]
    t.strictSame(sorted(await withMeta()), sorted(first))
    await catalog.remove(transfer.id, undefined, 9)
    const removed = { ...base, sequence: 3, event: 'removed', state: 'removed', tags: ['x', 'y'], meta: null }
    t.strictSame(sorted((await withMeta()).slice(2)), sorted([removed]))
  })

  fact('what changes nothing, or is refused, is not told', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ tags: ['x'] }), newFile()]))
    const [a, b] = transfer.files.map(({ id }) => id) as [number, number]
    const tagging = { transfer: transfer.id, files: [a], add: ['x'], remove: ['nobody'] }
    await isQuiet(t, catalog, () => catalog.tag(tagging, 1))
    await isQuiet(t, catalog, () => catalog.amend({ transfer: transfer.id, files: [{ id: a, addTags: ['x'], mediaType: 'm' }] }, 1))
    await isQuiet(t, catalog, () => catalog.mark([markOf(transfer, 0, { receivedBytes: 5 })], 1))
    await isQuiet(t, catalog, () => catalog.reset(a))
    await catalog.remove(transfer.id, [b], 1)
    await isQuiet(t, catalog, async () => t.equal(await codeOf(catalog.store(b, digestOf('b'), 3000, 1)), 'not-found'))
    await isQuiet(t, catalog, async () => t.equal(await codeOf(catalog.tag({ ...tagging, files: [a, b], add: ['new'] }, 1)), 'not-found'))
    await isQuiet(t, catalog, () => catalog.remove(transfer.id, [b], 1))
    const made = await catalog.announce(newTransfer(2, [newFile()], { madeByDaemon: true }))
    await isQuiet(t, catalog, () => catalog.remove(made.id, undefined, 1))
  })

  fact('an event is told to who matches before or after the change', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile({ name: 'a.jpg', tags: ['x'] }), newFile({ name: 'b.txt', tags: ['x', 'y'] })]))
    const [a, b] = transfer.files.map(({ id }) => id) as [number, number]
    const tag = (file: number, add: string[], remove: string[]) => catalog.tag({ transfer: transfer.id, files: [file], add, remove }, 1)
    await tag(b, ['early'], []) // 1, while it is receiving
    await catalog.store(a, digestOf('a'), 3000, 1) // 2
    await tag(a, ['y'], ['x']) // 3
    await tag(a, ['z'], []) // 4
    await catalog.remove(transfer.id, [a], 1) // 5
    await catalog.remove(transfer.id, [b], 1) // 6, unfinished
    const numbers = async (fields: Partial<EventQuery>): Promise<number[]> => (await catalog.events(eventQuery(fields))).events.map(({ sequence }) => sequence)
    t.strictSame(await numbers({}), [2, 3, 4, 5], 'without a state: what is stored, before or after')
    t.strictSame(await numbers({ tags: ['x'] }), [2, 3], 'the change that takes the tag away is told, what follows is not')
    t.strictSame(await numbers({ tags: ['y'] }), [3, 4, 5])
    t.strictSame(await numbers({ anyTags: ['z', 'nobody'] }), [4, 5])
    t.strictSame(await numbers({ notTags: ['y'] }), [2, 3])
    t.strictSame(await numbers({ name: '*.jpg' }), [2, 3, 4, 5])
    t.strictSame(await numbers({ name: '*.png' }), [])
    t.strictSame(await numbers({ state: 'receiving' }), [1, 2, 6])
    t.strictSame(await numbers({ state: 'removed' }), [5, 6])
  })

  fact('pages of events go on where the one before ended, whatever matches', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, Array.from({ length: 700 }, (_, i) => newFile({ name: `${i}`, sizeBytes: 0 }))))
    await Promise.all(transfer.files.map(({ id }) => catalog.store(id, digestOf(''), 0, 1)))
    const names: string[] = []
    let pages = 0
    for (let after = 0; ; pages++) {
      const page = await catalog.events(eventQuery({ after, name: '??9', limit: 7 }))
      t.equal(page.sequence, 700)
      t.ok(page.events.length <= 7)
      names.push(...page.events.map(({ name }) => name))
      if (page.through === page.sequence) break
      t.ok(page.through > after)
      after = page.through
    }
    t.strictSame(names, Array.from({ length: 700 }, (_, i) => `${i}`).filter(name => /^..9$/.test(name)))
    t.ok(pages >= 8)
  })

  fact('FIND has the number of the last event of the same moment', async (t, { catalog }) => {
    const page = () => catalog.find({ user: USER, tags: [], anyTags: [], notTags: [], limit: 10 })
    t.equal((await page()).sequence, 0)
    const transfer = await catalog.announce(newTransfer(1, Array.from({ length: 5 }, () => newFile())))
    const changes = transfer.files.map(({ id }, i) => catalog.store(id, digestOf(`${i}`), 3000, 1))
    for (let i = 0; i < 5; i++) {
      const { files, sequence } = await page()
      t.equal(files.length, sequence)
    }
    await Promise.all(changes)
    t.equal((await page()).sequence, 5)
    t.match(await catalog.events({ user: USER, tags: [], anyTags: [], notTags: [], limit: 10 }), { sequence: 5, through: 5, isTruncated: false, events: [] })
  })

  fact('files by their ids are as FIND shows them, and only the own ones that are there', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, [newFile(), newFile(), newFile()]))
    const bobs = await catalog.announce(newTransfer(1, [newFile()], { user: 'bob' }))
    const [a, b, c] = transfer.files.map(({ id }) => id) as [number, number, number]
    await catalog.mark([markOf(transfer, 0, { receivedBytes: 5 })], 1)
    await catalog.store(b, digestOf('b'), 3000, 1)
    await catalog.remove(transfer.id, [c], 1)
    const found = await catalog.found(USER, [a, b, c, fileOf(bobs, 0).id, 10_000])
    t.same(found.map(({ id, receivedBytes, state }) => [id, receivedBytes, state]), [[a, 5, 'receiving'], [b, 3000, 'stored']])
    t.strictSame(found[1], (await catalog.find({ user: USER, tags: [], anyTags: [], notTags: [], limit: 10 })).files[0])
  })

  fact('who has new events is told once they can be read', async (t, { catalog }) => {
    const heard: [string, Promise<number>][] = []
    catalog.onEvents(user => heard.push([user, catalog.events(eventQuery({ user })).then(({ sequence }) => sequence)]))
    const mine = await catalog.announce(newTransfer(1, [newFile()]))
    const bobs = await catalog.announce(newTransfer(1, [newFile()], { user: 'bob' }))
    await catalog.mark([markOf(mine, 0)], 1)
    t.equal(heard.length, 0, 'nothing but events')
    await Promise.all([catalog.store(fileOf(mine, 0).id, digestOf('a'), 3000, 1), catalog.store(fileOf(bobs, 0).id, digestOf('a'), 3000, 1)])
    await new Promise(resolve => setImmediate(resolve))
    t.strictSame(heard.map(([user]) => user).sort(), [USER, 'bob'])
    for (const [, sequence] of heard) t.equal(await sequence, 1)
  })

  fact('what expires is told as removed, unfinished or stored', async (t, { catalog }) => {
    const left = await catalog.announce(newTransfer(1, [newFile({ name: 'left' })], { nowMs: 10 }))
    await catalog.mark([markOf(left, 0, { receivedBytes: 1000 })], 10)
    const brief = await catalog.announce(newTransfer(2, [newFile({ name: 'brief', expiresMs: 50 }), newFile({ name: 'lasting' })]))
    for (const { id, name } of brief.files) await catalog.store(id, digestOf(name), 3000, 20)
    const made = await catalog.announce(newTransfer(3, [newFile({ name: 'never begun' })], { madeByDaemon: true }))
    await catalog.expire(limits({ nowMs: 100, unfinishedBeforeMs: 90, dropMade: true }))
    t.equal(await catalog.load(USER, made.fid), undefined)
    const events = await all(catalog)
    t.strictSame(events.slice(0, 2), ['1 stored brief', '2 stored lasting'])
    t.strictSame(events.slice(2).map(event => event.replace(/^\d+ /, '')).sort(), ['removed brief', 'removed left'])
    t.match((await catalog.events(eventQuery({ state: 'receiving', after: 2 }))).events, [{ name: 'left', receivedBytes: 1000, state: 'removed' }])
  })

  fact('old events are forgotten by age, oldest first, and whoever asks for them is told so', async (t, { catalog }, under) => {
    const transfer = await catalog.announce(newTransfer(1, Array.from({ length: 6 }, (_, i) => newFile({ name: `${i}` }))))
    // The clock jumped back once: what is kept has no gap all the same.
    const times = [10, 20, 90, 30, 100, 110]
    for (const [i, { id }] of transfer.files.entries()) await catalog.store(id, digestOf(`${i}`), 3000, times[i] as number)
    await catalog.expire(limits({ nowMs: 200, eventsBeforeMs: 50 }))
    const check = async (catalog: Catalog): Promise<void> => {
      t.strictSame(shown(await catalog.events(eventQuery({ after: 2 }))), ['3 stored 2', '4 stored 3', '5 stored 4', '6 stored 5'])
      t.equal((await catalog.events(eventQuery({ after: 2 }))).isTruncated, false)
      t.match(await catalog.events(eventQuery({ after: 1 })), { isTruncated: true, sequence: 6, through: 6, events: { length: 4 } })
    }
    await check(catalog)
    const { catalog: again } = await under.reopen()
    await check(again)
    await again.expire(limits({ nowMs: 200, eventsBeforeMs: 200 }))
    t.match(await again.events(eventQuery({ after: 6 })), { isTruncated: false, through: 6, events: [] })
    t.match(await again.events(eventQuery({ after: 5 })), { isTruncated: true, sequence: 6, through: 6, events: [] })
    t.match(await again.events(eventQuery({ after: 7 })), { isTruncated: true, sequence: 6, through: 6 }, 'a number of another store')
  })

  fact('a bounded number of events is kept for each user', async (t, { catalog }) => {
    const transfer = await catalog.announce(newTransfer(1, Array.from({ length: 4096 }, () => newFile())))
    const files = transfer.files.map(({ id }) => id)
    const rounds = Math.ceil(EVENTS_KEPT_MAX / files.length) + 1
    for (let round = 0; round < rounds; round++) {
      await catalog.tag({ transfer: transfer.id, files, add: round % 2 === 0 ? ['x'] : [], remove: round % 2 === 0 ? [] : ['x'] }, 1)
    }
    const sequence = rounds * files.length
    const gone = sequence - EVENTS_KEPT_MAX
    t.match(await catalog.events(eventQuery({ state: 'receiving', limit: 1 })), { isTruncated: true, sequence })
    t.match(await catalog.events(eventQuery({ state: 'receiving', after: gone - 4096 })), { isTruncated: true })
    t.match(await catalog.events(eventQuery({ state: 'receiving', after: gone, limit: 1 })), { isTruncated: false, through: gone + 1 })
  })
}

async function emptyFile(catalog: Catalog): Promise<number> {
  return fileOf(await catalog.announce(newTransfer(8, [newFile({ name: 'empty', sizeBytes: 0 })])), 0).id
}

/** The order of fields has no meaning. */
function sorted(values: unknown[]): unknown[] {
  return values.map(value => Object.entries(value as object).sort(([a], [b]) => a.localeCompare(b)))
}
