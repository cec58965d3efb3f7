/** Directories go in whole: which files, under which names, and what is skipped or told. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Setting, setUp } from './run-cli.ts'

function plant({ directory }: Setting, paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(join(directory, path, '..'), { recursive: true })
    writeFileSync(join(directory, path), `content of ${path}`)
  }
}

async function namesPut({ run }: Setting, args: readonly string[]): Promise<readonly unknown[]> {
  const { code, json, stderr } = await run(['put', ...args, '--json'])
  if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`)
  return json.map(({ name }) => name).sort()
}

t.test('names are the directory\'s own name and the path from there; "." adds none', async t => {
  const setting = await setUp(t)
  plant(setting, ['tree/b.txt', 'tree/a/c.txt', 'tree/.hidden', 'other/tree/b.txt'])
  const below = ['tree/.hidden', 'tree/a/c.txt', 'tree/b.txt']
  t.same(await namesPut(setting, ['tree', '-r']), below)
  t.same(await namesPut(setting, [join(setting.directory, 'tree/'), '--recursive']), below)
  t.same(await namesPut(setting, ['-r', 'tree/.']), ['.hidden', 'a/c.txt', 'b.txt'])
  t.same(await namesPut(setting, ['-r', 'other', 'tree/b.txt']), ['b.txt', 'other/tree/b.txt'])
})

t.test('globs choose: without a slash by the last component, else by the path; excluded directories are not entered', async t => {
  const setting = await setUp(t)
  plant(setting, ['tree/a.jpg', 'tree/b.txt', 'tree/x/c.jpg', 'tree/x/y/d.jpg', 'tree/node_modules/e.jpg', 'tree/x/.f.jpg'])
  t.same(await namesPut(setting, ['-r', 'tree', '--include', '*.jpg', '--exclude', 'node_modules/']),
    ['tree/a.jpg', 'tree/x/.f.jpg', 'tree/x/c.jpg', 'tree/x/y/d.jpg'])
  t.same(await namesPut(setting, ['-r', 'tree', '--include', 'x/*.jpg']), ['tree/x/.f.jpg', 'tree/x/c.jpg'])
  t.same(await namesPut(setting, ['-r', 'tree', '--include', 'x/**', '--exclude', 'x/y']), ['tree/x/.f.jpg', 'tree/x/c.jpg'])
  t.same(await namesPut(setting, ['-r', 'tree', '--include', '*.txt', '--include', 'a.*']), ['tree/a.jpg', 'tree/b.txt'])
})

t.test('links and special files below a directory are skipped and told; what is given itself is followed', async t => {
  const setting = await setUp(t)
  const { directory, run } = setting
  plant(setting, ['tree/a', 'outside/secret'])
  symlinkSync('../outside', join(directory, 'tree/directory-link'))
  symlinkSync('../outside/secret', join(directory, 'tree/file-link'))
  symlinkSync('.', join(directory, 'tree/loop'))
  symlinkSync('tree', join(directory, 'link'))
  spawnSync('mkfifo', [join(directory, 'tree/fifo')])
  const put = await run(['put', '-r', 'tree', '--json'])
  t.equal(put.code, 0, put.stderr)
  t.same(put.json.map(({ name, skipped }) => name ?? skipped).sort(), ['FIFO', 'link', 'link', 'link', 'tree/a'])
  t.same(put.json.filter(({ skipped }) => skipped !== undefined).map(({ path }) => path),
    ['tree/directory-link', 'tree/fifo', 'tree/file-link', 'tree/loop'])
  t.match(put.stderr, 'tree/fifo: skipped, a FIFO')
  t.match(await namesPut(setting, ['link/file-link']), ['file-link'])
})

t.test('what cannot be read is told and the rest goes on; a directory wants --recursive', async t => {
  const setting = await setUp(t)
  const { directory, run } = setting
  plant(setting, ['tree/a', 'tree/locked/b', 'tree/z'])
  t.equal((await run(['put', 'tree', 'tree/a', '--json'])).code, 1)
  const asRoot = process.getuid?.() === 0
  chmodSync(join(directory, 'tree/locked'), 0)
  const put = await run(['put', '-r', 'tree', 'absent', '--json'])
  chmodSync(join(directory, 'tree/locked'), 0o700)
  t.equal(put.code, asRoot ? 1 : 4, put.stderr)
  const told = put.json.map(({ path, error }) => ({ path, error })).sort((a, b) => `${a.path}` < `${b.path}` ? -1 : 1)
  t.match(told, [
    { path: 'absent', error: { code: 'ENOENT' } }, { path: 'tree/a', error: undefined },
    asRoot ? { path: 'tree/locked/b', error: undefined } : { path: 'tree/locked', error: { code: 'EACCES' } }, { path: 'tree/z', error: undefined },
  ])
})

t.test('flags that do not go together are refused', async t => {
  const { run } = await setUp(t)
  for (const args of [['x', '--include', '*'], ['x', '--exclude', '*'], ['-r', 'x', '--name', 'y'], ['x', 'y', '--name', 'z']])
    t.equal((await run(['put', ...args])).code, 2, args.join(' '))
})
