/** Where the parts of this package are, whether we run from the sources (`.ts`) or from what was built from them (`.js`). */
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'

/** The directory with our `package.json`. */
export function packageRoot(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json')) && directory !== dirname(directory)) directory = dirname(directory)
  return directory
}

/** The program `tallyd`, of the same kind as this file. */
export function daemonMain(): string {
  return join(import.meta.dirname, '..', '..', 'daemon', `main${extname(import.meta.filename)}`)
}
