/**
 * `node --import …/blow-at.ts daemon/main.ts …`: a process that strikes itself, at the nth step of a kind (`TALLY_TEST_STEP`, steps.ts), all
 * threads counted together. It is killed; where `TALLY_TEST_CUT` says `SEED KEEP` and `TALLY_TEST_DISK` names a power disk's control file,
 * the power goes first. With `TALLY_TEST_JUMP_MS` nothing counts before the clock has jumped (later.ts).
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { lastWords, type Step } from './steps.ts'

type Done = (error: NodeJS.ErrnoException | null) => void

const SHARED = 'tally-test-blow'
const [COUNTED, ARMED] = [0, 1]
const { TALLY_TEST_STEP: aim, TALLY_TEST_CUT: cut, TALLY_TEST_DISK: disk, TALLY_TEST_JUMP_MS: jump } = process.env

if (aim !== undefined) prepare(aim)

function prepare(aim: string): void {
  const [wanted, count] = aim.split(' ')
  if (isMainThread) {
    setEnvironmentData(SHARED, new SharedArrayBuffer(8))
    if (jump !== undefined) process.on('SIGUSR2', () => { shared[ARMED] = 1 })
  }
  const shared = new Int32Array(getEnvironmentData(SHARED) as unknown as SharedArrayBuffer)
  if (jump === undefined) shared[ARMED] = 1
  watchFiles(pass)
  watchCatalog(pass)

  function pass(step: Step): void {
    if (step !== wanted || shared[ARMED] !== 1 || Atomics.add(shared, COUNTED, 1) + 1 !== Number(count)) return
    fs.writeSync(2, lastWords(step))
    // The disk goes without an answer.
    if (cut !== undefined && disk !== undefined) try { fs.writeFileSync(disk, `cut ${cut}`) } catch { /* as it should */ }
    process.kill(process.pid, 'SIGKILL')
  }
}

function watchFiles(pass: (step: Step) => void): void {
  const { rmSync, fsyncSync, fsync, fstatSync } = fs
  const { unlink } = fs.promises
  const isBlob = (path: fs.PathLike): boolean => String(path).includes('/blobs/')
  fs.rmSync = (path, options) => {
    rmSync(path, options)
    if (isBlob(path)) pass('unlinked')
  }
  fs.promises.unlink = async path => {
    await unlink(path)
    if (isBlob(path)) pass('unlinked')
  }
  fs.fsyncSync = fd => {
    const isDirectory = fstatSync(fd).isDirectory()
    if (isDirectory) pass('syncing')
    fsyncSync(fd)
    if (isDirectory) pass('synced')
  }
  const watched = (fd: number, done: Done): void => {
    const isDirectory = fstatSync(fd).isDirectory()
    if (isDirectory) pass('syncing')
    fsync(fd, error => {
      if (isDirectory) pass('synced')
      done(error)
    })
  }
  Object.assign(fs, { fsync: watched })
  syncBuiltinESMExports()
}

/** A statement outside of a transaction is one of its own. */
function watchCatalog(pass: (step: Step) => void): void {
  const { prepare, close } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function (sql, ...rest) {
    const statement = prepare.call(this, sql, ...rest)
    const { run, get } = statement
    return Object.assign(statement, {
      run: (...values: SQLInputValue[]) => {
        const isEnd = sql === 'COMMIT' || (!this.isTransaction && !/^(BEGIN|PRAGMA)/.test(sql))
        if (isEnd) pass('committing')
        const result: unknown = Reflect.apply(run, statement, values)
        if (isEnd) pass('committed')
        return result
      },
      get: (...values: SQLInputValue[]) => {
        const row: unknown = Reflect.apply(get, statement, values)
        if (sql.includes('wal_checkpoint')) pass('checkpointed')
        return row
      },
    })
  }
  // The last one to close moves all that is left.
  DatabaseSync.prototype.close = function () {
    close.call(this)
    pass('checkpointed')
  }
}
