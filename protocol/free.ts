/**
 * Frees the memory of bytes that nobody else looks at, at once; what shares its memory with others is left to the collector. Node reads a
 * socket into new memory each time, and what is left to the collector makes it collect everything, over and over, while no read
 * finds its memory in the processor's cache (docs/design.md, "What the hot path costs").
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  if (byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0)
}
