/** Runs the conformance suite against the local store with durability `power`, whose commits run in a thread. */
import t from 'tap'
import { conformance } from './conformance.ts'
import { openLocal } from './support.ts'

conformance(t, 'local, power', () => openLocal('power'))
