import { jest } from '@jest/globals';

export type Line = Record<string, unknown>;

/** Lines in JSON that `work` writes to the log, whichever way it ends. */
export async function logLines(work: () => unknown): Promise<Line[]> {
  const written: string[] = [];
  const keep = (chunk: unknown) => written.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) => jest.spyOn(stream, 'write').mockImplementation(keep));
  try {
    await work();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return written
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}
