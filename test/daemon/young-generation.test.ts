/** The bound on V8's young generation, in a process of its own: flags of V8 hold for all of a process. */
import { execFileSync } from 'node:child_process'
import t from 'tap'

const MODULE = new URL('../../daemon/young-generation.ts', import.meta.url).href

/** How large it got, in bytes, with objects that survive for a while. */
function youngBytes(isBounded: boolean): number {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { boundYoungGeneration } from '${MODULE}'
    if (${isBounded}) boundYoungGeneration()
    for (let turn = 0; turn < 400; turn++) {
      const kept = Array.from({ length: 40_000 }, (_, i) => ({ i, list: [i] }))
      await new Promise(resolve => setImmediate(resolve))
      if (kept.length === 0) break
    }
    console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size)`
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }))
}

t.test('it ends growing where it has what it needs', t => {
  const unbounded = youngBytes(false)
  const bounded = youngBytes(true)
  t.ok(unbounded > 2 ** 26, `without a bound ${unbounded}`)
  t.ok(bounded <= 2 ** 26, `with it ${bounded}`)
  t.end()
})
