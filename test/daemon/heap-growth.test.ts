/** The bounds on V8's heap, in processes of their own: flags of V8 hold for all of a process. */
import { execFileSync } from 'node:child_process'
import t from 'tap'

const MODULE = new URL('../../daemon/heap-growth.ts', import.meta.url).href

/** How large that space got, in bytes, while this ran. */
function spaceBytes(space: string, isBounded: boolean, run: string): number {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { boundHeapGrowth } from '${MODULE}'
    if (${isBounded}) boundHeapGrowth()
    const turn = () => new Promise(resolve => setImmediate(resolve))
    let bytes = 0
    const look = () => { bytes = Math.max(bytes, getHeapSpaceStatistics().find(({ space_name }) => space_name === '${space}').space_size) }
    ${run}
    console.log(bytes)`
  // Collectors in threads of their own are as far as the machine lets them, and so is the heap.
  return Number(execFileSync(process.execPath, ['--single-threaded', '--input-type=module', '-e', script], { encoding: 'utf8' }))
}

t.test('the young generation ends growing where it has what it needs', t => {
  // Objects that survive for a while.
  const run = `
    for (let i = 0; i < 400; i++) {
      const kept = Array.from({ length: 40_000 }, (_, i) => ({ i, list: [i] }))
      await turn()
      if (kept.length === 0) break
    }
    look()`
  const unbounded = spaceBytes('new_space', false, run)
  const bounded = spaceBytes('new_space', true, run)
  t.ok(bounded < 0.6 * unbounded, `with a bound ${bounded}, without one ${unbounded}`)
  t.end()
})

t.test('old objects are collected before they are a multiple of what is alive', t => {
  // 200 of these are alive at any time: they grow old, and are garbage then.
  const run = `
    const ring = []
    for (let i = 0; i < 6_000; i++) {
      ring[i % 200] = Array.from({ length: 2_000 }, (_, i) => ({ i, text: 'x' + i }))
      if (i % 20 === 0) { await turn(); look() }
    }`
  const unbounded = spaceBytes('old_space', false, run)
  const bounded = spaceBytes('old_space', true, run)
  t.ok(bounded < 0.6 * unbounded, `with a bound ${bounded}, without one ${unbounded}`)
  t.end()
})
