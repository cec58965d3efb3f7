/** Durability `process` under kill -9; a file of its own, so that the two run side by side. */
import t from 'tap'
import { sampleKills } from './sample.ts'

t.test('loses nothing that was acknowledged over 10 kills with durability process', { timeout: 550_000 }, t => sampleKills(t, 'process'))
