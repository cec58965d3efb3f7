/**
 * One transfer from wherever it stands to its end: authenticate, judge the report, send what is missing, tell sizes and digests that
 * come late, and remove what the plan says. Broken off at any moment, it is simply called again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, RawClient } from '../support/raw-client.ts'
import { judgeReport, type RecordedFile, type RecordedTransfer, Refusal, Violation } from '../support/record.ts'
import { numberedChunk, TYPE } from '../support/wire.ts'
import { type Parcel, sendParcels } from './lane.ts'
import { list } from './list.ts'
import type { Job } from './plan.ts'
import type { Happening } from './trigger.ts'

export interface World {
  readonly socket: string
  token(user: string): string
  happened(what: Happening): void
  count(what: 'sent' | 'sentTwice' | 'acked' | 'removals'): void
}

const POLL_MS = 10
const POLLS_MAX = 1500

/** Answers when nothing is left to do for this job. Throws `ConnectionLost` when the daemon goes, `Violation` when it errs. */
export async function work(world: World, job: Job): Promise<void> {
  // What is told with it, such as a size, may be refused for the very room that its removal is to make.
  if (job.transfer.removal === 'asked') return removeElsewhere(world, job)
  const clients: RawClient[] = []
  try {
    for (const options of job.manner.connections) clients.push(await RawClient.connect(world.socket, options))
    await upload(world, job, clients)
    // Gone already: that answer does not even log in.
    if (!job.transfer.settled || job.transfer.mustBeGone) return
    if (job.transfer.removal !== 'no') return await removeTransfer(world, job, clients[0] as RawClient)
    if (job.manner.ending === 'remove-file') await removeFile(world, job, clients[0] as RawClient)
    if (job.manner.ending === 'remove-transfer') await removeTransfer(world, job, clients[0] as RawClient)
  } finally {
    for (const client of clients) client.destroy()
  }
}

/** AUTHENTICATION as the record has it, judged. `undefined`: the transfer is gone, or was never written. */
export async function report(world: World, { transfer, manner }: Job, client: RawClient): Promise<Answer | undefined> {
  if (transfer.mayBeOrphaned) await removeOrphan(world, transfer, client)
  const fields = {
    ...(transfer.fid === undefined ? {} : { fid: transfer.fid }),
    tags: transfer.tags,
    ...(manner.plain ? {} : { 'chunk-size': transfer.files[0]?.plan.chunkSizeBytes, acks: manner.acks }),
    files: transfer.files.map(file => announcement(file)),
  }
  const answer = await client.authenticate(world.token(transfer.user), fields).catch((cause: unknown) => {
    transfer.mayBeOrphaned = transfer.fid === undefined
    throw cause
  })
  if (!judgeReport(transfer, answer)) return undefined
  transfer.fid = answer.fid
  return answer
}

/**
 * Announced without a fid, and the Ok that tells it was lost: where a file was stored at once, the daemon keeps the transfer, which nobody
 * knows, and counts the room of its other files. Whoever announces it once more removes it first, as a person would.
 */
async function removeOrphan(world: World, transfer: RecordedTransfer, client: RawClient): Promise<void> {
  await logIn(world, client, transfer.user)
  const fids = new Set<string>()
  for (const state of ['stored', 'receiving'] as const) {
    for (const { fid } of (await list(client, state, transfer.tags.at(-1))).values()) fids.add(fid)
  }
  for (const fid of fids) await remove(world, client, { fid })
  transfer.mayBeOrphaned = false
}

export async function logIn(world: World, client: RawClient, user: string): Promise<void> {
  const answer = await client.authenticate(world.token(user))
  if (answer.response === 'Error') throw new Refusal(`a log-in: ${answer.code} (${answer.reason})`)
}

function announcement(file: RecordedFile): Record<string, unknown> {
  const wrong = `sha256:${'0'.repeat(64)}`
  return {
    name: file.plan.name,
    size: file.sizeTold ? file.plan.sizeBytes : null,
    ...(file.plan.expiresMs === undefined ? {} : { expires: file.plan.expiresMs }),
    ...(file.digestTold ? { digest: file.plan.digest === 'wrong' ? wrong : file.digest } : {}),
  }
}

async function upload(world: World, job: Job, clients: readonly RawClient[]): Promise<void> {
  const { transfer, manner } = job
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    let answer: Answer | undefined
    for (const client of clients) answer = await report(world, job, client)
    if (answer === undefined) return
    if (transfer.files.some(file => file.plan.digest === 'wrong' && file.sentCount === file.chunkCount && file.ackedCount === 0)) {
      return removeTransfer(world, job, clients[0] as RawClient)
    }
    if (tellSizes(job)) continue
    const parcels = manner.chunks === 'opaque' ? opaqueParcels(job) : numberedParcels(job, answer)
    const held = holdBack(job, parcels)
    const ready = parcels.filter(parcel => !held.includes(parcel))
    await sendAll(world, job, clients, manner.shuffled ? scattered(ready) : ready)
    if (transfer.removal !== 'no') return
    for (const { file } of held) file.digestTold = true
    // Not stored yet: held chunks go out after the digest was told; a file that is finishing is asked for again.
    if (transfer.settled) return
    if (ready.length === 0 && held.length === 0) await sleep(POLL_MS)
  }
  throw new Violation(`transfer ${transfer.fid} does not come to its end`)
}

/** Sizes that come late are told once every whole chunk was sent. Says whether a new report is needed. */
function tellSizes({ transfer }: Job): boolean {
  let told = false
  for (const file of transfer.files) {
    const whole = Math.floor(file.plan.sizeBytes / file.plan.chunkSizeBytes)
    if (file.sizeTold || file.sentCount < whole) continue
    file.sizeTold = true
    told = true
  }
  return told
}

function numberedParcels({ transfer }: Job, answer: Answer): Parcel[] {
  const fid = transfer.fid as string
  return transfer.files.flatMap(file => {
    const state = answer.files?.[file.number]
    if (state?.state !== 'receiving' || transfer.removalOf(file) !== 'no') return []
    const parcel = (index: number): Parcel => ({ file, index, uuid: numberedChunk(fid, file.number, index) })
    if (!file.sizeTold) {
      // What is above the highest chunk is not listed: all whole chunks that were never sent.
      const whole = Math.floor(file.plan.sizeBytes / file.plan.chunkSizeBytes)
      return Array.from({ length: whole }, (_, i) => i).filter(i => file.sent[i] === 0).map(parcel)
    }
    return state.missing.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => parcel(first + i)))
  })
}

/** As an original client does: everything without an Ok, in order, each under the UUID that it had the first time. */
function opaqueParcels({ transfer, manner }: Job): Parcel[] {
  let place = 0
  const parcels: Parcel[] = []
  for (const file of transfer.files) {
    for (let index = 0; index < file.chunkCount; index++) {
      const uuid = manner.uuids[place++] as string
      if (file.acked[index] === 0) parcels.push({ file, index, uuid })
    }
  }
  return parcels
}

/** One chunk of each file whose digest is told late stays back until it was told. */
function holdBack({ transfer, manner }: Job, parcels: readonly Parcel[]): Parcel[] {
  if (manner.plain) return []
  return transfer.files.flatMap(file => {
    if (file.plan.digest !== 'late' || file.digestTold || !file.sizeTold) return []
    const last = parcels.findLast(parcel => parcel.file === file)
    return last === undefined ? [] : [last]
  })
}

async function sendAll(world: World, job: Job, clients: readonly RawClient[], parcels: readonly Parcel[]): Promise<void> {
  const { transfer, manner } = job
  const sending = clients.map((client, lane) => sendParcels(parcels.filter((_, i) => i % clients.length === lane), {
    client, transfer, window: manner.window, happened: what => world.happened(what), count: what => world.count(what),
  }))
  if (manner.ending === 'midway' && parcels.length > 1) {
    sending.push(sleep(parcels.length % 40).then(() => removeElsewhere(world, job)))
  }
  // One lane's end must not leave another's rejection unheard.
  const outcomes = await Promise.allSettled(sending)
  const failed = outcomes.filter(outcome => outcome.status === 'rejected').map(outcome => outcome.reason as unknown)
  const worst = failed.find(cause => cause instanceof Violation) ?? failed[0]
  if (worst !== undefined) throw worst
}

/** On a connection of its own, which only logs in. */
async function removeElsewhere(world: World, job: Job): Promise<void> {
  const client = await RawClient.connect(world.socket)
  try {
    await logIn(world, client, job.transfer.user)
    await removeTransfer(world, job, client)
  } finally {
    client.destroy()
  }
}

async function removeFile(world: World, { transfer }: Job, client: RawClient): Promise<void> {
  // Where the answer was lost it is asked for again, also if others have expired meanwhile.
  const asked = transfer.files.find(one => one.removal === 'asked')
  if (asked === undefined && transfer.files.some(one => one.removal === 'done')) return
  const file = asked ?? transfer.files[0]
  if (file === undefined) return
  file.removal = 'asked'
  await remove(world, client, { fid: transfer.fid, file: file.number })
  file.removal = 'done'
}

export async function removeTransfer(world: World, { transfer }: Job, client: RawClient): Promise<void> {
  transfer.removal = 'asked'
  transfer.wasUnknown = await remove(world, client, { fid: transfer.fid }) !== undefined
  transfer.removal = 'done'
}

/** `not-found` and its like may stand for a removal whose Ok was lost; answers which it was. */
async function remove(world: World, client: RawClient, fields: Record<string, unknown>): Promise<string | undefined> {
  const answer = client.request(TYPE.remove, fields)
  world.happened('remove-sent')
  const { response, code, reason } = await answer
  if (response === 'Error' && code !== 'not-found' && code !== 'unknown-fid' && code !== 'conflict') {
    throw new Refusal(`REMOVE ${JSON.stringify(fields)}: ${code} (${reason})`)
  }
  world.count('removals')
  world.happened('removed')
  return code
}

/** The same shuffle each time: the place is stirred by a multiplicative hash. */
function scattered(parcels: readonly Parcel[]): Parcel[] {
  const rank = (parcel: Parcel): number => Math.imul(parcel.index + 1 + parcel.file.number * 65_537, 2_654_435_761) >>> 0
  return [...parcels].sort((a, b) => rank(a) - rank(b))
}
