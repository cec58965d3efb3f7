/** What FIND lists of a campaign's files. */
import type { RawClient } from '../support/raw-client.ts'
import { Refusal } from '../support/record.ts'
import { TYPE } from '../support/wire.ts'
import { CAMPAIGN_TAG } from './plan.ts'

export interface Listed {
  readonly fid: string
  readonly file: number
  readonly digest: string | undefined
  readonly size: number
  readonly name: string
  readonly expires?: number | null
}

/** Everything that FIND shows with the tag, by id. */
export async function list(client: RawClient, state: 'stored' | 'receiving' = 'stored', tag = CAMPAIGN_TAG): Promise<Map<string, Listed>> {
  const listed = new Map<string, Listed>()
  for (let after: unknown; ;) {
    const answer = await client.request(TYPE.find, { tags: [tag], state, limit: 1000, ...(after === undefined ? {} : { after }) })
    if (answer.response === 'Error') throw new Refusal(`FIND: ${answer.code} (${answer.reason})`)
    for (const one of answer.files as unknown as Listed[]) listed.set(`${one.fid}/${one.file}`, one)
    after = answer['next']
    if (after === undefined) return listed
  }
}
