/**
 * P9: how long FIND takes with two required tags and a forbidden one, a page of 50: for a user with 1,000,000 files, and for one with 1,000
 * files beside them.
 */
import { Daemon } from '../support/daemon.ts'
import type { Figure, Row } from '../support/figure.ts'
import { QUESTIONS, timeFinds } from '../support/find.ts'
import { storeMany } from '../support/population.ts'
import { percentile } from '../support/statistics.ts'

const FILES = { many: 1_000_000, few: 1_000 } as const
const ASKED = 300
const SAMPLES_MAX = 3
const LIMIT_MS = { many: 10, few: 1 } as const

export const p9: Figure = {
  id: 'P9',
  title: 'FIND with 2 required tags and 1 forbidden, a page of 50, msgpack',
  async run(context) {
    const { pairs, progress, note } = context
    await using daemon = await Daemon.start(context, 'process')
    const access = { many: daemon.access, few: { ...daemon.access, token: daemon.token('another') } }
    const startMs = performance.now()
    for (const user of ['many', 'few'] as const) {
      await storeMany(daemon, access[user].token, FILES[user], done => progress(`storing ${done} of ${FILES[user]} files`))
    }
    note(`The files were stored through the socket, ${Math.round(FILES.many / (performance.now() - startMs) * 1000)} a second: 0 bytes each, five tags.`)
    const rows: Row[] = []
    for (const user of ['many', 'few'] as const) {
      for (const question of QUESTIONS) {
        const samples: number[][] = []
        for (let sample = -1; sample < Math.min(pairs, SAMPLES_MAX); sample++) {
          progress(`${question} of ${FILES[user]} files, sample ${sample + 1}`)
          const timesMs = await timeFinds(access[user], question, ASKED)
          if (sample >= 0) samples.push(timesMs)
        }
        const name = `${FILES[user].toLocaleString('en-US')} files: ${question[0]} and ${question[1]}, not ${question[2]}`
        const goal = { direction: 'below', limit: LIMIT_MS[user] } as const
        rows.push({ name: `${name}, p50`, unit: 'ms', samples: samples.map(times => percentile(times, 0.5)) })
        rows.push({ name: `${name}, p99`, unit: 'ms', samples: samples.map(times => percentile(times, 0.99)), goal })
      }
    }
    return rows
  },
}
