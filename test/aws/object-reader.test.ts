import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BucketObject } from '../../functions/aws/bucket-object.ts';
import { objectCarrier, objectSource } from '../../functions/aws/bundle-object.ts';
import { ObjectReader } from '../../functions/aws/object-reader.ts';
import { ObjectWriter } from '../../functions/aws/object-writer.ts';
import { release } from '../../functions/http/release.ts';
import { readRange } from '../../functions/oci/layout/ranges.ts';
import { available } from '../real-parts.ts';
import { startBundlesBucket } from './bundles-bucket.ts';
import { region } from './moto-server.ts';
import { patternBytes } from './pattern.ts';

const MiB = 1024 * 1024;

(available('moto_server') ? describe : describe.skip)('a bundle in a bucket', () => {
  let s3: Awaited<ReturnType<typeof startBundlesBucket>>;
  beforeAll(async () => {
    s3 = await startBundlesBucket();
  }, 60_000);
  afterAll(async () => {
    await s3?.close();
  });

  describe('as it is read', () => {
    const bytes = patternBytes(0, 3 * MiB);
    beforeAll(async () => void (await s3.put('read.tar', bytes)));

    it.each([
      [0, 3 * MiB],
      [0, 1],
      [1_000, 2 * MiB],
      [MiB - 1, MiB + 1],
      [3 * MiB - 1, 3 * MiB],
      [5, 5],
    ])('serves the bytes from %i to %i', async (start, end) => {
      const reader = await ObjectReader.open(s3.object('read.tar'));
      expect(reader.size).toBe(3 * MiB);
      expect((await readRange(reader, start, end)).equals(bytes.subarray(start, end))).toBe(true);
      await reader.close();
    });

    it('fails after it was replaced', async () => {
      await s3.put('replaced.tar', 'first');
      const reader = await ObjectReader.open(s3.object('replaced.tar'), { headBytes: 1 });
      await s3.put('replaced.tar', 'other');
      const refusal = {
        name: 'StoreFailed',
        message: 's3://bundles/replaced.tar was replaced or deleted while it was read',
      };
      await expect(readRange(reader, 0, 5)).rejects.toMatchObject(refusal);
      await s3.client.send(new DeleteObjectCommand({ Bucket: 'bundles', Key: 'replaced.tar' }));
      await expect(readRange(reader, 0, 5)).rejects.toMatchObject(refusal);
    });

    it('stops when it is aborted', async () => {
      const abort = new AbortController();
      const reader = await ObjectReader.open(s3.object('read.tar'));
      const reading = (async () => {
        for await (const _ of reader.read(0, reader.size, abort.signal)) abort.abort(new Error('enough'));
      })();
      await expect(reading).rejects.toThrow('enough');
    });

    it('may be left before its end', async () => {
      const reader = await ObjectReader.open(s3.object('read.tar'));
      for await (const first of reader.read(0, reader.size)) {
        expect(first.length).toBeGreaterThan(0);
        break;
      }
      expect((await readRange(reader, 0, 10)).equals(bytes.subarray(0, 10))).toBe(true);
      await reader.close();
    });

    it('names an object that is missing or empty', async () => {
      await s3.put('nothing.tar', new Uint8Array());
      await expect(ObjectReader.open(s3.object('missing.tar'))).rejects.toMatchObject({
        name: 'StoreFailed',
        message: 's3://bundles/missing.tar does not exist',
      });
      await expect(ObjectReader.open(s3.object('nothing.tar'))).rejects.toMatchObject({
        message: 's3://bundles/nothing.tar is empty',
      });
    });

    it('names the partition of the credentials when the bucket is missing there', async () => {
      const lost = new BucketObject('gov-bundles', 'a.tar', s3.newClient());
      const failure = {
        name: 'StoreFailed',
        hint: expect.stringContaining('Only buckets of the partition aws can be used.'),
      };
      await expect(ObjectReader.open(lost)).rejects.toMatchObject({
        ...failure,
        message: 'cannot read s3://gov-bundles/a.tar: NoSuchBucket in the partition aws',
      });
      await expect(ObjectWriter.open(lost, 10, 0)).rejects.toMatchObject({
        ...failure,
        message: 'cannot write s3://gov-bundles/a.tar: NoSuchBucket in the partition aws',
      });
    });
  });

  describe('with the objects beside it', () => {
    it('keeps them under its own name', async () => {
      const carrier = objectCarrier(s3.object('team/harness.tar'));
      const { companions, name } = carrier;
      expect(name).toBe('s3://bundles/team/harness.tar');
      expect(carrier.slices(10)).toEqual([{ name: 'harness.tar', start: 0, end: 10 }]);
      expect(await companions?.read('part.json')).toBeUndefined();
      await companions?.write('part.json', Buffer.from('{}'));
      await companions?.write('sha256', Buffer.from('0000  harness.tar\n'));
      expect((await s3.stored('team/harness.part.json')).toString()).toBe('{}');
      expect((await s3.stored('team/harness.sha256')).toString()).toBe('0000  harness.tar\n');
      await s3.put('team/harness.tar', 'tar');
      const source = await objectSource(s3.object('team/harness.tar'));
      expect(Buffer.from((await source.companions.read('sha256')) ?? []).toString()).toBe('0000  harness.tar\n');
      expect(source.reader.size).toBe(3);
      await companions?.remove('part.json');
      await companions?.remove('part.json');
      expect(await companions?.read('part.json')).toBeUndefined();
    });

    it('reads none that is larger than a document of a bundle', async () => {
      await s3.put('huge.sig', Buffer.alloc(32 * MiB + 1));
      await s3.put('huge.tar', 'tar');
      const { companions } = await objectSource(s3.object('huge.tar'));
      await expect(companions.read('sig')).rejects.toMatchObject({
        name: 'BundleInvalid',
        message: `s3://bundles/huge.sig is larger than ${32 * MiB} bytes`,
      });
    });

    it('names the object that cannot be written', async () => {
      const { companions } = objectCarrier(new BucketObject('lost', 'a.tar', s3.newClient()));
      await expect(companions?.write('sig', new Uint8Array())).rejects.toMatchObject({
        name: 'StoreFailed',
        message: expect.stringContaining('cannot write s3://lost/a.sig: NoSuchBucket'),
      });
    });
  });
});

describe('reading an object over a bad connection', () => {
  const bytes = patternBytes(0, MiB);
  let server: Server;
  let gets: string[];
  /** Bytes after which the server ends the connection. */
  let lasts: number;

  beforeAll(async () => {
    server = createServer(({ headers }, response) => {
      const [, from = '', to = ''] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
      const part = bytes.subarray(Number(from), Number(to) + 1);
      gets.push(`${from}-${to}`);
      const range = { 'content-range': `bytes ${from}-${to}/${bytes.length}`, 'content-length': part.length };
      response.writeHead(206, { ...range, etag: '"one"' });
      response.write(part.subarray(0, lasts), () => part.length > lasts && response.destroy());
      if (part.length <= lasts) response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  beforeEach(() => {
    gets = [];
    lasts = MiB;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  const open = (headBytes = 1) => {
    const { port } = server.address() as AddressInfo;
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const endpoint = `http://127.0.0.1:${port}`;
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
    return ObjectReader.open(new BucketObject('bundles', 'a.tar', client), { pauseMs: 1, headBytes });
  };

  it('resumes at the byte where the connection broke', async () => {
    const reader = await open();
    lasts = 400_000;
    expect((await readRange(reader, 100, MiB)).equals(bytes.subarray(100))).toBe(true);
    const [first, ...requests] = gets;
    expect(first).toBe('0-0');
    expect(requests[0]).toBe(`100-${MiB - 1}`);
    expect(requests.length).toBeGreaterThan(2);
    // Each request begins where the bytes before it ended.
    const starts = requests.map((range) => Number(range.split('-')[0]));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(new Set(starts).size).toBe(starts.length);
    await reader.close();
  });

  it('requests the start of an object once, however often it is read', async () => {
    const reader = await open(500_000);
    for (const [start, end] of [
      [0, 512],
      [512, 1_024],
      [0, 500_000],
      [0, 600_000],
    ] as const) {
      // Readers free what they got.
      for await (const piece of reader.read(start, end)) release(piece);
      expect((await readRange(reader, start, end)).equals(bytes.subarray(start, end))).toBe(true);
    }
    expect(gets).toEqual(['0-499999', '500000-599999', '500000-599999']);
    await reader.close();
  });

  it('reads the start again where the connection broke in it', async () => {
    lasts = 100;
    const opening = open(500_000);
    const reader = await opening;
    lasts = MiB;
    expect((await readRange(reader, 0, 1_000)).equals(bytes.subarray(0, 1_000))).toBe(true);
    expect(gets).toEqual(['0-499999', '0-999']);
    await reader.close();
  });

  it('ends after five failures without a byte', async () => {
    const reader = await open();
    lasts = 0;
    await expect(readRange(reader, 0, MiB)).rejects.toMatchObject({
      name: 'StoreFailed',
      message: expect.stringContaining('cannot read s3://bundles/a.tar'),
    });
    expect(gets).toHaveLength(6);
    await reader.close();
  });
});
