/** Fills `bytes` with those from `start` on of an endless pattern, in which no block is like the next ones. */
export function fillPattern(bytes: Buffer, start: number): Buffer {
  const end = start + bytes.length;
  for (let at = start; at < end;) {
    const block = Math.floor(at / 4096);
    const until = Math.min((block + 1) * 4096, end);
    bytes.fill((block * 31) ^ (block >> 8), at - start, until - start);
    at = until;
  }
  return bytes;
}

/** Returns the bytes from `start` to `end` of the pattern. */
export function patternBytes(start: number, end: number): Buffer {
  return fillPattern(Buffer.alloc(end - start), start);
}
