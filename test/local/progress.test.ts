import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { progressOn } from '../../infra/local/progress.ts';

/** A stream like a terminal, which keeps what is written. */
async function startTerminal() {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const written = () => ((stream.read() as Buffer | null) ?? '').toString();
  return { progress: await progressOn(stream as unknown as NodeJS.WriteStream), written };
}

it('writes a note before the first bar at once', async () => {
  const { progress, written } = await startTerminal();
  progress.handle({ kind: 'note', message: 'reading the registries' });
  expect(written()).toBe('reading the registries\n');
  progress.stop();
});

it('writes every line above the bars before it stops', async () => {
  const { progress, written } = await startTerminal();
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

describe('a copy', () => {
  it('shows bytes, rate and time left on a terminal, in lines that do not wrap', async () => {
    const { progress, written } = await startTerminal();
    progress.handle({ kind: 'copying', images: 2, bytes: 100e6 });
    progress.handle({ kind: 'image-started', image: `registry.example.com/${'long/'.repeat(30)}a:1`, bytes: 50e6 });
    progress.handle({ kind: 'image-progress', image: 'other', bytes: 10e6 });
    await sleep(1_300);
    const text = written();
    progress.stop();
    expect(text).toMatch(/0 of 2 images, 10 MB of 100 MB, \S+ MB\/s, about \d+ s left/);
    const rows = text.split(/\n|\u001b\[[\d;?]*[A-Za-z]/);
    expect(rows.filter((row) => row.length > 80)).toEqual([]);
  });

  it('shows the wait that holds it up, and its reason', async () => {
    const { progress, written } = await startTerminal();
    progress.handle({ kind: 'copying', images: 2, bytes: 100e6 });
    progress.handle({ kind: 'wait', subject: 'docker.io', reason: 'HTTP 429 with Retry-After', seconds: 90 });
    await sleep(300);
    const text = written();
    progress.stop();
    expect(text).toMatch(/docker\.io: HTTP 429 with Retry-After; waiting for 1 min 30 s, until \d\d:\d\d:\d\d UTC/);
    expect(text).toContain('0 of 2 images, 0 B of 100 MB; waiting 1 min 30 s for docker.io');
  });

  it('prints one plain line per event in a pipe', async () => {
    const stream = new PassThrough();
    const progress = await progressOn(stream as unknown as NodeJS.WriteStream);
    progress.handle({ kind: 'copying', images: 1, bytes: 2e6 });
    progress.handle({ kind: 'image-started', image: 'harness/a:1', bytes: 2e6 });
    progress.handle({ kind: 'image-progress', image: 'harness/a:1', bytes: 2e6 });
    progress.handle({ kind: 'wait', subject: 'r.example', reason: 'HTTP 503, attempt 2 of 5', seconds: 2 });
    progress.handle({ kind: 'image-finished', image: 'harness/a:1', status: 'copied' });
    progress.stop();
    expect((stream.read() as Buffer).toString()).toMatch(
      /^copying 1 image, at most 2 MB to move\ncopying harness\/a:1 \(2 MB\)\nr\.example: HTTP 503, attempt 2 of 5; waiting for 2 s, until \S+ UTC\ncopied harness\/a:1 \(1 of 1\)\n$/,
    );
  });
});
