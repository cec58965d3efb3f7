/**
 * The rig of the power cuts, proven on its own before anything is proven with it: what was synced is there after every cut, and of
 * the record that was being written a torn part stays and a part is lost. No daemon takes part.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type CutMoment, PowerDisk } from '../faults/power-disk.ts'
import { chooseSeed, contentOf, Random } from '../support/random.ts'
import { lacks } from './needs.ts'

const RECORD_BYTES = 65_536
const RECORDS = 200
const SECTOR_BYTES = 512
const CUTS = 15
const MOMENTS: readonly CutMoment[] = ['write', 'fsync', 'synced']

t.test('every synced record survives each cut; the one under way is torn', { timeout: 120_000 }, async t => {
  if (lacks(t, PowerDisk.obstacle())) return
  const random = new Random(chooseSeed())
  t.comment(`TALLY_TEST_SEED=${random.seed}`)
  const disk = new PowerDisk()
  t.teardown(() => disk.dispose())
  let records = 0
  let stayed = 0
  let lost = 0
  for (let cut = 0; cut < CUTS; cut++) {
    await disk.up()
    const path = join(disk.mount, 'records')
    const file = openSync(path, 'w')
    // Overwritten in place, so that a lost sector shows as zeros and not as a shorter file.
    writeSync(file, Buffer.alloc(RECORD_BYTES * RECORDS))
    fsyncSync(file)
    disk.arm(MOMENTS[cut % MOMENTS.length] as CutMoment, random.between(40, 120), random.uint32(), random.pick([0.1, 0.5, 0.9]))
    const synced = writeUntilCut(file, cut)
    await disk.down()
    await disk.up()
    const found = readFileSync(path)
    t.equal(intactRecords(found, cut, synced), synced, `cut ${cut}: ${synced} synced records are whole`)
    records += synced
    for (let at = synced * RECORD_BYTES; at < (synced + 1) * RECORD_BYTES; at += SECTOR_BYTES) {
      if (found.subarray(at, at + SECTOR_BYTES).every(byte => byte === 0)) lost++
      else stayed++
    }
    await disk.down()
  }
  t.comment(`${records} synced records kept; of the records under way ${stayed} sectors stayed and ${lost} were lost`)
  t.ok(records > 20, 'there were synced records')
  t.ok(lost > 0, 'sectors were lost: the cut cuts')
  t.ok(stayed > 0, 'sectors stayed: the disk keeps a part')
})

/** Writes record after record, each synced, until the disk is gone; answers how many syncs returned. */
function writeUntilCut(file: number, cut: number): number {
  let synced = 0
  try {
    while (synced < RECORDS - 1) {
      writeSync(file, contentOf(cut * 1000 + synced, RECORD_BYTES), 0, RECORD_BYTES, synced * RECORD_BYTES)
      fdatasyncSync(file)
      synced++
    }
  } catch {
    // The cut: the file system answers EIO from here on.
  }
  try { closeSync(file) } catch { /* as above */ }
  return synced
}

function intactRecords(found: Buffer, cut: number, count: number): number {
  let intact = 0
  for (let i = 0; i < count; i++) {
    if (found.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES).equals(contentOf(cut * 1000 + i, RECORD_BYTES))) intact++
  }
  return intact
}
