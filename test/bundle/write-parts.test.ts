import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { fileCarrier, findPartBytes } from '../../functions/bundle/file-carrier.ts';
import { streamCarrier } from '../../functions/bundle/stream-carrier.ts';
import { writeParts } from '../../functions/bundle/write-parts.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import { count } from '../oci/connect.ts';
import { folder, joined, planSamples, registry, useSamples } from './sample-bundle.ts';

useSamples();
const partBytes = 700_001;

describe('lost parts', () => {
  it('get the same bytes as before, wherever they were cut', async () => {
    const path = join(folder, 'lost.tar');
    const { document, size } = await writeTar(await planSamples(), fileCarrier(path, { partBytes }));
    const whole = await joined('lost.tar');
    const numbers = Array.from({ length: Math.ceil(size / partBytes) }, (_, index) => index + 1);
    for (const number of numbers) {
      const part = `${path}.${String(number).padStart(3, '0')}`;
      const before = await readFile(part);
      await rm(part);
      const later = await planSamples({ createdAt: '2027-01-01T00:00:00.000Z', factory: '9' });
      const carrier = fileCarrier(path, { partBytes: await findPartBytes(path, size) });
      await writeParts(later, carrier, { document, numbers: [number] });
      expect((await readFile(part)).equals(before)).toBe(true);
    }
    expect((await joined('lost.tar')).equals(whole)).toBe(true);
  });

  it('read only the blobs that they hold', async () => {
    const path = join(folder, 'few.tar');
    const { document } = await writeTar(await planSamples(), fileCarrier(path, { partBytes }));
    const plan = await planSamples();
    registry.requests.length = 0;
    await writeParts(plan, fileCarrier(path, { partBytes }), { document, numbers: [1] });
    expect(count(registry, 'GET', /\/blobs\//)).toBeLessThan(plan.blobs.size);
  });

  it('need a number that there is, and the same images', async () => {
    const path = join(folder, 'other.tar');
    const { document } = await writeTar(await planSamples(), fileCarrier(path, { partBytes }));
    const carrier = fileCarrier(path, { partBytes });
    await expect(writeParts(await planSamples(), carrier, { document, numbers: [99] })).rejects.toThrow('no part 99');
    const fewer = await planSamples({}, ['plugins/docker:21']);
    await expect(writeParts(fewer, carrier, { document, numbers: [1] })).rejects.toThrow(
      'the images at the sources differ',
    );
  });
});

describe('a stream', () => {
  it('gets the same bytes as a file', async () => {
    const plan = await planSamples();
    await writeTar(plan, fileCarrier(join(folder, 'file.tar')));
    const stream = new PassThrough();
    const [bytes] = await Promise.all([buffer(stream), writeTar(plan, streamCarrier('standard output', stream))]);
    expect(bytes.equals(await joined('file.tar'))).toBe(true);
  });
});
