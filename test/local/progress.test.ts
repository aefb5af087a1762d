import { PassThrough } from 'node:stream';
import { expect, it } from '@jest/globals';
import { progressOn } from '../../infra/local/progress.ts';

/** A stream like a terminal, which keeps what is written. */
function startTerminal() {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const written = () => ((stream.read() as Buffer | null) ?? '').toString();
  return { progress: progressOn(stream as unknown as NodeJS.WriteStream), written };
}

it('writes a note before the first bar at once', () => {
  const { progress, written } = startTerminal();
  progress.handle({ kind: 'note', message: 'reading the registries' });
  expect(written()).toBe('reading the registries\n');
  progress.stop();
});

it('writes every line above the bars before it stops', () => {
  const { progress, written } = startTerminal();
  progress.handle({ kind: 'image-started', image: 'harness/a:1', bytes: 10 });
  progress.handle({ kind: 'image-progress', image: 'harness/a:1', bytes: 10 });
  progress.handle({ kind: 'image-finished', image: 'harness/a:1', status: 'copied' });
  progress.handle({ kind: 'note', message: 'verifying' });
  progress.stop();
  const lines = written();
  expect(lines).toContain('copied harness/a:1\n');
  expect(lines).toContain('verifying\n');
  progress.handle({ kind: 'note', message: 'after' });
  expect(written()).toBe('after\n');
});
