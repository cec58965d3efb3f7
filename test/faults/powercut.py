#!/usr/bin/python3
"""A disk that loses its cache: a FUSE folder with one file, disk.img, whose writes stay in memory until an fsync puts them on the image.

usage: powercut.py MOUNTPOINT IMAGE

A cut keeps, of everything that was not flushed, a random subset of 512-byte sectors, for each of them a random one of the versions
that were written, and ends the process; whatever is mounted on top sees a disk that is gone. Commands are written to the file
`control`, one at a time; reading it gives counters as JSON.

  cut SEED KEEP               now; KEEP is the probability of each sector's staying
  arm WHEN N SEED KEEP        at the Nth from now: WHEN is `write`, `fsync` (before its flush) or `synced` (after it, unanswered)
  disarm                      not any more
  fail fsync|write|none       from now on these fail with EIO, and nothing reaches the image
"""
import errno
import json
import os
import random
import stat
import sys

from fusepy import FUSE, FuseOSError, Operations

SECTOR = 512


class Disk(Operations):
    def __init__(self, image):
        self.image = os.open(image, os.O_RDWR)
        self.size = os.fstat(self.image).st_size
        self.cache = {}  # sector number -> every version since the last flush, oldest first
        self.counts = {'write': 0, 'fsync': 0, 'synced': 0}
        self.armed = None  # (when, at which count, seed, keep)
        self.failing = 'none'

    def getattr(self, path, fh=None):
        if path == '/':
            return dict(st_mode=stat.S_IFDIR | 0o700, st_nlink=2)
        if path == '/disk.img':
            return dict(st_mode=stat.S_IFREG | 0o600, st_nlink=1, st_size=self.size)
        if path == '/control':
            return dict(st_mode=stat.S_IFREG | 0o600, st_nlink=1, st_size=4096)
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return ['.', '..', 'disk.img', 'control']

    def open(self, path, flags):
        return 1

    def truncate(self, path, length, fh=None):
        return 0

    def read(self, path, size, offset, fh):
        if path == '/control':
            report = dict(self.counts, unflushed=len(self.cache), failing=self.failing)
            return json.dumps(report).encode().ljust(4096)[offset:offset + size]
        data = bytearray(os.pread(self.image, size, offset))
        for sector in range(offset // SECTOR, (offset + len(data) + SECTOR - 1) // SECTOR):
            versions = self.cache.get(sector)
            if versions is not None:
                start = sector * SECTOR - offset
                assert start >= 0 and start + SECTOR <= len(data), 'a read that is not aligned to sectors'
                data[start:start + SECTOR] = versions[-1]
        return bytes(data)

    def write(self, path, data, offset, fh):
        if path == '/control':
            self.command(data.decode().split())
            return len(data)
        if self.failing == 'write':
            raise FuseOSError(errno.EIO)
        self.count('write')
        assert offset % SECTOR == 0 and len(data) % SECTOR == 0, 'a write that is not aligned to sectors'
        for at in range(0, len(data), SECTOR):
            self.cache.setdefault((offset + at) // SECTOR, []).append(bytes(data[at:at + SECTOR]))
        return len(data)

    def fsync(self, path, datasync, fh):
        if self.failing == 'fsync':
            raise FuseOSError(errno.EIO)
        self.count('fsync')
        self.put(sorted((sector, versions[-1]) for sector, versions in self.cache.items()))
        self.cache.clear()
        self.count('synced')
        return 0

    def put(self, sectors):
        """Writes (sector, bytes) pairs, ascending, to the image; neighbours in one go."""
        run, start = [], 0
        for sector, data in sectors:
            if run and sector != start + len(run):
                os.pwrite(self.image, b''.join(run), start * SECTOR)
                run = []
            if not run:
                start = sector
            run.append(data)
        if run:
            os.pwrite(self.image, b''.join(run), start * SECTOR)

    def count(self, what):
        self.counts[what] += 1
        if self.armed is not None and self.armed[0] == what and self.counts[what] >= self.armed[1]:
            self.cut(self.armed[2], self.armed[3])

    def command(self, words):
        if words[0] == 'cut':
            self.cut(int(words[1]), float(words[2]))
        elif words[0] == 'arm':
            self.armed = (words[1], self.counts[words[1]] + int(words[2]), int(words[3]), float(words[4]))
        elif words[0] == 'disarm':
            self.armed = None
        elif words[0] == 'fail':
            self.failing = words[1]
        else:
            raise FuseOSError(errno.EINVAL)

    def cut(self, seed, keep):
        chance = random.Random(seed)
        kept = [(sector, chance.choice(versions)) for sector, versions in sorted(self.cache.items()) if chance.random() < keep]
        self.put(kept)
        print(json.dumps(dict(self.counts, unflushed=len(self.cache), kept=len(kept))), flush=True)
        os._exit(0)


if __name__ == '__main__':
    FUSE(Disk(sys.argv[2]), sys.argv[1], foreground=True, nothreads=True, big_writes=True)
