import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { objectSource, writeObject } from '../../functions/aws/bundle-object.ts';
import { encodeDocument } from '../../functions/bundle/document.ts';
import { openBundle } from '../../functions/bundle/open-bundle.ts';
import type { BundlePlan } from '../../functions/bundle/plan-bundle.ts';
import { billOfMaterials } from '../../functions/bundle/sbom.ts';
import { pemSigner, VerifyKey } from '../../functions/bundle/signature.ts';
import { verifyBundle } from '../../functions/bundle/verify-bundle.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import type { Bundles } from '../../functions/runtime/bundles.ts';
import { checkBundle } from '../../functions/verify/bundle.ts';
import { planSamples, registry, useSamples } from '../bundle/sample-bundle.ts';
import { storedImage } from '../oci/stored-images.ts';
import { available } from '../real-parts.ts';
import { runId, setStage } from '../tasks/stage.ts';
import { startBundlesBucket } from './bundles-bucket.ts';
import { patternBytes } from './pattern.ts';

const MiB = 1024 * 1024;

(available('moto_server') ? describe : describe.skip)('a bundle that is exported to a bucket', () => {
  useSamples();
  let s3: Awaited<ReturnType<typeof startBundlesBucket>>;
  let plan: BundlePlan;
  /** The bytes of `whole.tar`. */
  let whole: Buffer;
  beforeAll(async () => {
    s3 = await startBundlesBucket();
    // One layer is larger than a part, and begins within one.
    const layers = [patternBytes(0, 3 * MiB), patternBytes(3 * MiB, 40 * MiB), patternBytes(40 * MiB, 50 * MiB)];
    registry.storage.putImage('harness/layers', '1', storedImage(layers));
    plan = await planSamples({}, ['harness/ci-addon:1.18', 'harness/layers:1']);
  }, 60_000);
  afterAll(async () => {
    await s3?.close();
  });

  const write = (key: string, { signal, onBytes }: { signal?: AbortSignal; onBytes?: (bytes: number) => void } = {}) =>
    writeObject(plan, s3.object(key), {
      ...(signal && { signal }),
      ...(onBytes && { onBytes }),
      accompany: async (document) => new Map([['sbom.cdx.json', billOfMaterials(document)]]),
    });

  it('passes every check of a bundle, and has its sums and its bill of materials beside it', async () => {
    const { size, resumedAt } = await write('whole.tar');
    whole = await s3.stored('whole.tar');
    expect({ size, resumedAt }).toEqual({ size: whole.length, resumedAt: 0 });
    const source = await objectSource(s3.object('whole.tar'));
    expect((await verifyBundle(source, source)).damages).toEqual([]);
    const bundle = await openBundle(await objectSource(s3.object('whole.tar')));
    expect(bundle.document).toEqual(plan.document);
    expect(await s3.stored('whole.sbom.cdx.json')).toEqual(billOfMaterials(plan.document));
    const sums = (await s3.stored('whole.sha256')).toString();
    for (const name of ['whole.tar', 'whole.bundle.json', 'whole.sbom.cdx.json']) expect(sums).toContain(`  ${name}\n`);
  }, 60_000);

  it('has the same bytes when it was interrupted after each part', async () => {
    const resumed: number[] = [];
    for (let attempts = 0; attempts < 10; attempts++) {
      const interruption = new AbortController();
      let begun: number | undefined;
      let written = 0;
      const onBytes = (bytes: number) => {
        // The first call names the byte at which the export goes on.
        if (begun === undefined) resumed.push((begun = bytes));
        else written += bytes;
        // Long enough for one more part.
        if (written > 33 * MiB) interruption.abort(new Error('time is up'));
      };
      const done = await write('again.tar', { signal: interruption.signal, onBytes }).catch((error: unknown) => {
        expect(error).toMatchObject({ message: 'time is up' });
      });
      if (done) break;
    }
    expect(resumed.length).toBeGreaterThan(1);
    expect(resumed.every((at) => at % (16 * MiB) === 0)).toBe(true);
    expect((await s3.stored('again.tar')).equals(whole)).toBe(true);
    expect((await s3.stored('again.sha256')).toString()).toBe(
      (await s3.stored('whole.sha256')).toString().replaceAll('whole.', 'again.'),
    );
    expect(await s3.uploads('again.tar')).toEqual([]);
  }, 120_000);

  it('stays as it is when the same export runs again', async () => {
    registry.requests.length = 0;
    const again = await write('whole.tar');
    expect(again.resumedAt).toBe(again.size);
    expect(registry.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
  });

  it('passes a check that takes several calls', async () => {
    const positions: number[] = [];
    const verify: Bundles['verify'] = async (_, options) => {
      const source = await objectSource(s3.object('whole.tar'));
      positions.push(options.resumption?.from?.position ?? 0);
      return verifyBundle(source, { ...options, companions: source.companions });
    };
    const unused = () => Promise.reject(new TypeError('not asked for'));
    const { runtime, documents } = setStage({ bundles: { open: unused, write: unused, verify } });
    const call = () => {
      const timeUp = Promise.withResolvers<void>();
      let read = 0;
      // Its time is up after so many bytes.
      runtime.parts.onProgress = (event) => {
        if (event.kind === 'image-progress' && (read += event.bytes) > 20 * MiB) timeUp.resolve();
      };
      const clock = {
        now: () => 0,
        sleep: (_: number, over?: AbortSignal) =>
          Promise.race([timeUp.promise, over && once(over, 'abort')]).then(() => undefined),
      };
      const bundle = { address: 's3://bundles/whole.tar' };
      return checkBundle({ runId, bundle }, { runtime, deadline: new Deadline(1, 1, clock) });
    };
    const outcomes: string[] = [];
    for (let calls = 0; outcomes.at(-1) !== 'agrees' && calls < 10; calls++) outcomes.push(await call());
    expect(outcomes).toEqual(['continue', 'continue', 'agrees']);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(new Set(positions).size).toBe(3);
    // The check of another object starts again, even of one with the same bytes.
    await s3.put('whole.tar', whole);
    expect(await documents.bundleCheck.find()).toMatchObject({ position: positions.at(-1) });
    await call();
    expect((await documents.bundleCheck.find())?.position).toBeLessThan(positions.at(-1) ?? 0);
    await runtime.close();
  }, 60_000);

  it('gets the signature of a later export, and its sums', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signer = pemSigner(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'key');
    registry.requests.length = 0;
    await writeObject(plan, s3.object('whole.tar'), {
      accompany: async (document) => new Map([['sig', await signer.sign(encodeDocument(document))]]),
    });
    expect(registry.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
    expect((await s3.stored('whole.tar')).equals(whole)).toBe(true);
    const source = await objectSource(s3.object('whole.tar'));
    const verifyKey = new VerifyKey(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'key');
    const { damages } = await verifyBundle(source, {
      ...source,
      onOpen: ({ documentBytes }) => verifyKey.check(documentBytes, source.companions, 's3://bundles/whole.tar'),
    });
    expect(damages).toEqual([]);
    const sums = (await s3.stored('whole.sha256')).toString();
    for (const name of ['whole.tar', 'whole.bundle.json', 'whole.sig']) expect(sums).toContain(`  ${name}\n`);
  });

  it('stays when another is exported to its key', async () => {
    const other = await planSamples({}, ['plugins/docker:21']);
    await expect(writeObject(other, s3.object('whole.tar'), {})).rejects.toMatchObject({
      name: 'StoreFailed',
      message: 's3://bundles/whole.tar exists, and a bundle never replaces another',
    });
  });

  it('keeps the objects beside it when another is exported to its name without .tar', async () => {
    const sums = await s3.stored('whole.sha256');
    const other = await planSamples({}, ['plugins/docker:21']);
    await expect(writeObject(other, s3.object('whole'), {})).rejects.toMatchObject({
      name: 'InvalidInput',
      message: expect.stringContaining('the bundle s3://bundles/whole.tar'),
    });
    expect(await s3.stored('whole.sha256')).toEqual(sums);
  });
});
