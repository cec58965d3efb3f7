/**
 * The client that `relay-campaign.ts` kills: puts one file, or gets one, over a socket, with checksums. `put SOCKET FILE TAG`, `get SOCKET
 * ID TARGET`.
 */
import { connect } from '../../client/index.ts'

const [command, socket = '', first = '', second = ''] = process.argv.slice(2)
const timings = { answerTimeoutMs: 4000, backOffFirstMs: 10, backOffMaxMs: 500 }

await using tally = await connect({ socket, timings, retry: true })
if (command === 'put') {
  const { fid, counts } = await tally.put(first, { tags: [second], chunkSizeBytes: 1024, crc32: true })
  console.log(JSON.stringify({ fid, counts }))
} else {
  await tally.get(first, { path: second })
}
