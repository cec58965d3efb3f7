/** The package as it is published: `dist/` built by the project's own compiler into the workspace, with its dependencies in reach. */
import { execFile } from 'node:child_process'
import { copyFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Workspace } from './workspace.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Answers the path of the built daemon's main file. */
export async function buildDaemon(workspace: Workspace): Promise<string> {
  const directory = await workspace.makeDirectory('package')
  const dist = join(directory, 'dist')
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist])
  await copyFile(join(ROOT, 'package.json'), join(directory, 'package.json'))
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  return join(dist, 'daemon/main.js')
}
