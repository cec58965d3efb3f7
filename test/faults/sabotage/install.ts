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
      // The store finds its threads beside its own URL, by that URL's ending.
      const whole = JSON.stringify(`${url}?whole.ts`)
      const source = `
        import { openLocalStore as open } from ${whole}
        import { sabotage } from ${wrapper}
        export * from ${whole}
        export async function openLocalStore(...told) { return sabotage(await open(...told), ${JSON.stringify(fault)}) }`
      return { format: 'module', shortCircuit: true, source }
    },
  })
}
