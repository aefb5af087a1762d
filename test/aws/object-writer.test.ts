import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CompleteMultipartUploadCommand,
  HeadObjectCommand,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ObjectWriter, partBytes } from '../../functions/aws/object-writer.ts';
import { available } from '../real-parts.ts';
import { startBundlesBucket } from './bundles-bucket.ts';
import { patternBytes } from './pattern.ts';
import { startUploadSink } from './upload-sink.ts';

const MiB = 1024 * 1024;
const refusal = (name: string, httpStatusCode: number) =>
  new S3ServiceException({ name, $fault: 'client', message: 'refused', $metadata: { httpStatusCode } });

(available('moto_server') ? describe : describe.skip)('writing a bundle into a bucket', () => {
  let s3: Awaited<ReturnType<typeof startBundlesBucket>>;
  beforeAll(async () => {
    s3 = await startBundlesBucket();
  }, 60_000);
  afterAll(async () => {
    await s3?.close();
  });

  /** Writes the pattern from the writer's position to `end`, in pieces that end nowhere near a part. */
  async function fill(writer: ObjectWriter, end: number) {
    for (let at = writer.position; at < end; at = writer.position)
      await writer.write(patternBytes(at, Math.min(at + 700_001, end)));
  }

  it('consists of parts of 16 MiB, of which the last is shorter', async () => {
    const size = 40 * MiB + 1;
    const sent: [part: number, bytes: number][] = [];
    const watched = s3.newClient();
    watched.middlewareStack.add(
      (next) => (args) => {
        const { PartNumber = 0, Body } = args.input as { PartNumber?: number; Body?: Uint8Array };
        if (PartNumber > 0) sent.push([PartNumber, Body?.length ?? 0]);
        return next(args);
      },
      { step: 'initialize' },
    );
    const writer = await ObjectWriter.open(s3.object('parts.tar', watched), size, 0);
    expect(writer.unit).toBe(16 * MiB);
    await fill(writer, size);
    expect(writer.position).toBe(size);
    expect(await writer.flush()).toBe(32 * MiB);
    await writer.complete();
    await writer.close();
    expect(sent).toEqual([
      [1, 16 * MiB],
      [2, 16 * MiB],
      [3, 8 * MiB + 1],
    ]);
    expect((await s3.stored('parts.tar')).equals(patternBytes(0, size))).toBe(true);
    expect(await s3.uploads('parts.tar')).toEqual([]);
  });

  it('continues after its process was killed, at the position that was durable', async () => {
    const size = 50 * MiB + 5;
    const script = join(import.meta.dirname, 'write-object.ts');
    const child = spawn(process.execPath, ['--no-warnings', script, s3.endpoint, 'killed.tar', String(size)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    let durable = 0;
    for await (const line of createInterface(child.stdout)) {
      durable = Number(line);
      if (durable === 32 * MiB) break;
    }
    child.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(durable).toBe(32 * MiB);

    const writer = await ObjectWriter.open(s3.object('killed.tar'), size, durable);
    expect(writer.position).toBe(durable);
    await fill(writer, size);
    await writer.complete();
    await writer.close();
    expect((await s3.stored('killed.tar')).equals(patternBytes(0, size))).toBe(true);
    expect(await s3.uploads('killed.tar')).toEqual([]);
  });

  it.each([
    ['lost a part', 16 * MiB + 10, 32 * MiB],
    ['has parts of another size', 16 * MiB + 10, 5 * MiB],
  ])('begins at 0 where the upload %s, and removes that upload', async (_, written, position) => {
    const key = `lost-${position}.tar`;
    const size = 40 * MiB;
    const first = await ObjectWriter.open(s3.object(key), size, 0);
    await fill(first, written);
    await first.flush();
    await first.close();
    const before = await s3.uploads(key);
    const second = await ObjectWriter.open(s3.object(key), size, position);
    expect(second.position).toBe(0);
    const after = await s3.uploads(key);
    expect([before.length, after.length]).toEqual([1, 1]);
    expect(after).not.toEqual(before);
    await second.close();
  });

  it('takes only the parts that were durable, and sends later ones again', async () => {
    const size = 33 * MiB;
    const first = await ObjectWriter.open(s3.object('again.tar'), size, 0);
    await first.write(patternBytes(0, 16 * MiB));
    await first.write(Buffer.alloc(16 * MiB, 'other bytes'));
    await first.flush();
    await first.close();
    const second = await ObjectWriter.open(s3.object('again.tar'), size, 16 * MiB);
    expect(second.position).toBe(16 * MiB);
    await fill(second, size);
    await second.complete();
    expect((await s3.stored('again.tar')).equals(patternBytes(0, size))).toBe(true);
  });

  it('leaves the uploads of other keys alone', async () => {
    const other = await ObjectWriter.open(s3.object('neighbour.tar.old'), 20 * MiB, 0);
    const writer = await ObjectWriter.open(s3.object('neighbour.tar'), 20 * MiB, 0);
    expect(await s3.uploads('neighbour.tar.old')).toHaveLength(1);
    await Promise.all([other.close(), writer.close()]);
  });

  it('never replaces an object, and says so before a byte is sent', async () => {
    await s3.put('taken.tar', 'theirs');
    await s3.put('empty.tar', new Uint8Array());
    for (const key of ['taken.tar', 'empty.tar'])
      await expect(ObjectWriter.open(s3.object(key), 20 * MiB, 0)).rejects.toMatchObject({
        name: 'StoreFailed',
        message: `s3://bundles/${key} exists, and a bundle never replaces another`,
      });
    expect(await s3.uploads('taken.tar')).toEqual([]);
  });

  it('leaves an object alone that came meanwhile, and removes the upload', async () => {
    const writer = await ObjectWriter.open(s3.object('raced.tar'), 1_000, 0);
    await fill(writer, 1_000);
    await s3.put('raced.tar', 'theirs');
    await expect(writer.complete()).rejects.toMatchObject({ message: expect.stringContaining('exists') });
    expect((await s3.stored('raced.tar')).toString()).toBe('theirs');
    expect(await s3.uploads('raced.tar')).toEqual([]);
  });

  it('counts as complete when only the response to the completion was lost', async () => {
    const size = 17 * MiB;
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
    const parts = [patternBytes(0, 16 * MiB), patternBytes(16 * MiB, size)].map(sha256);
    const checksum = `${sha256(Buffer.concat(parts)).toString('base64')}-2`;
    const write = async (key: string, ChecksumSHA256: string) => {
      const forgetful = s3.newClient();
      forgetful.middlewareStack.add(
        (next, { commandName }) =>
          async (args) => {
            const result = await next(args);
            // moto 5.2.1 has no checksums of uploads in parts.
            if (commandName === HeadObjectCommand.name) Object.assign(result.output, { ChecksumSHA256 });
            if (commandName !== CompleteMultipartUploadCommand.name) return result;
            throw refusal('PreconditionFailed', 412);
          },
        { step: 'initialize' },
      );
      const writer = await ObjectWriter.open(s3.object(key, forgetful), size, 0);
      await fill(writer, size);
      await writer.complete();
    };
    await write('response.tar', checksum);
    expect((await s3.stored('response.tar')).equals(patternBytes(0, size))).toBe(true);
    await expect(write('others.tar', checksum.replace('-2', '-3'))).rejects.toMatchObject({
      message: expect.stringContaining('s3://bundles/others.tar exists'),
    });
  });

  it('fails with the reason of a part that was refused, and goes on from there later', async () => {
    const refusing = s3.newClient();
    refusing.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          if (commandName !== UploadPartCommand.name) return next(args);
          const { PartNumber } = args.input as { PartNumber?: number };
          if (PartNumber === 1) return next(args);
          throw refusal('AccessDenied', 403);
        },
      { step: 'initialize' },
    );
    const size = 48 * MiB;
    const writer = await ObjectWriter.open(s3.object('refused.tar', refusing), size, 0);
    const failure = { name: 'StoreFailed', message: 'cannot write s3://bundles/refused.tar: AccessDenied: refused' };
    await expect(fill(writer, size)).rejects.toMatchObject(failure);
    await expect(writer.flush()).rejects.toMatchObject(failure);
    await expect(writer.complete()).rejects.toMatchObject(failure);
    await writer.close();
    const again = await ObjectWriter.open(s3.object('refused.tar'), size, 16 * MiB);
    expect(again.position).toBe(16 * MiB);
    await again.close();
  });

  it('stops when it is aborted', async () => {
    const abort = new AbortController();
    const writer = await ObjectWriter.open(s3.object('aborted.tar'), 48 * MiB, 0, abort.signal);
    await writer.write(patternBytes(0, 17 * MiB), abort.signal);
    abort.abort(new Error('enough'));
    await expect(writer.write(Buffer.alloc(20 * MiB), abort.signal)).rejects.toThrow('enough');
    await writer.close();
  });
});

it('needs at most 160 MiB of memory for 240 MiB', async () => {
  const sink = await startUploadSink();
  const script = join(import.meta.dirname, 'write-object.ts');
  const child = spawn(process.execPath, ['--no-warnings', script, sink.endpoint, 'large.tar', String(240 * MiB)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = '';
  for await (const line of createInterface(child.stdout)) last = line;
  await sink.close();
  const [, kib = 'none'] = /^complete (\d+)$/.exec(last) ?? [];
  expect(Number(kib) / 1024).toBeLessThanOrEqual(160);
  expect(sink.parts).toEqual(Array.from({ length: 15 }, () => 16 * MiB));
}, 120_000);

describe('parts of an object', () => {
  it.each([
    [1, 16],
    [16 * 9_000 * MiB, 16],
    [16 * 9_000 * MiB + 1, 17],
    [1024 * 1024 * MiB, 117],
  ])('have %i bytes in all, and each part %i MiB', (size, expected) => {
    expect(partBytes(size)).toBe(expected * MiB);
    expect(Math.ceil(size / partBytes(size))).toBeLessThanOrEqual(10_000);
  });
});
