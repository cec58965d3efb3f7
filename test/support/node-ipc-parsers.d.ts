/** node-ipc's own encoder of framing N, as tests use it; the rest of the package is in daemon/node-ipc.d.ts. */
declare module 'node-ipc/parsers' {
  class FastParser {
    encode(type: string | number, data?: unknown): string
  }
  export { FastParser }
}
