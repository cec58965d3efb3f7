/**
 * `node --import …/no-unlink-sync.ts daemon/main.ts gc …`: ids are forgotten while the unlinks of their blobs are only in the caches of the
 * operating system. Of the daemon nothing is broken.
 */
import fs from 'node:fs'

const { fsyncSync, fstatSync } = fs
if (process.argv[2] === 'gc') {
  fs.fsyncSync = fd => {
    if (!fstatSync(fd).isDirectory()) fsyncSync(fd)
  }
}
