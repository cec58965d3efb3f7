/**
 * What every store promises, as one suite that each back-end runs (`conformance.test.ts`). It knows the contract in
 * `daemon/storage/storage.ts` and nothing of how a store keeps it.
 */
import type { Test } from 'tap'
import type { Store } from '../../daemon/storage/storage.ts'
import { contentsFacts } from './contents-facts.ts'
import { eventFacts } from './event-facts.ts'
import { integrityFacts } from './integrity-facts.ts'
import { queryFacts } from './query-facts.ts'
import { knownContentFacts } from './known-content-facts.ts'
import { quotaFacts } from './quota-facts.ts'
import { recordFacts } from './record-facts.ts'
import { repairFacts } from './repair-facts.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Ends the store in an orderly way and opens what it left; the earlier one is not used again. */
  reopen(): Promise<Store>
  end(): Promise<void>
}

/** States a fact and proves it on a store of its own. */
export type Fact = (sentence: string, prove: (t: Test, store: Store, under: StoreUnderTest) => Promise<void>) => void

export function conformance(t: Test, name: string, open: () => Promise<StoreUnderTest>): void {
  const fact: Fact = (sentence, prove) => {
    t.test(`${name}: ${sentence}`, async t => {
      const under = await open()
      try {
        await prove(t, under.store, under)
      } finally {
        await under.end()
      }
    })
  }
  recordFacts(fact)
  queryFacts(fact)
  eventFacts(fact)
  contentsFacts(fact)
  integrityFacts(fact)
  quotaFacts(fact)
  knownContentFacts(fact)
  repairFacts(fact)
}
