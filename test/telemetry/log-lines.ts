import { jest } from '@jest/globals';

export type Line = Record<string, unknown>;

/** The lines in JSON that are written to the log until `release()`. */
export interface CapturedLog {
  readonly lines: Line[];
  release(): void;
}

/** Captures the log: the lines in JSON on stdout and stderr. Other output, as of the test runner, goes through. */
export function captureLog(): CapturedLog {
  const written: string[] = [];
  const spies = [process.stdout, process.stderr].map((stream) => {
    const write = stream.write.bind(stream) as (chunk: unknown) => boolean;
    return jest.spyOn(stream, 'write').mockImplementation((chunk) => {
      const text = String(chunk);
      return text.startsWith('{') ? written.push(text) > 0 : write(chunk);
    });
  });
  return {
    get lines() {
      const lines = written.join('').split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
    },
    release: () => spies.forEach((spy) => spy.mockRestore()),
  };
}

/** Returns the lines in JSON that `work` writes to the log, whichever way it ends. */
export async function logLines(work: () => unknown): Promise<Line[]> {
  const log = captureLog();
  try {
    await work();
  } finally {
    log.release();
  }
  return log.lines;
}
