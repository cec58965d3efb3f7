/**
 * Loads the daemon's local store through `store.ts`: a module hook, so that product code knows nothing of it.
 */
import { registerHooks } from 'node:module'
import type { Fault } from './store.ts'

const TARGET = '/daemon/storage/local/index.ts'

export function install(fault: Fault): void {
  const wrapper = JSON.stringify(new URL('./store.ts', import.meta.url).href)
  registerHooks({
    load(url, context, next) {
      if (!url.endsWith(TARGET)) return next(url, context)
      const source = `
        import { openLocalStore as open } from ${JSON.stringify(`${url}?whole`)}
        import { sabotage } from ${wrapper}
        export * from ${JSON.stringify(`${url}?whole`)}
        export async function openLocalStore(...told) { return sabotage(await open(...told), ${JSON.stringify(fault)}) }`
      return { format: 'module', shortCircuit: true, source }
    },
  })
}
