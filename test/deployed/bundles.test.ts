import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeDocument, parseDocument } from '../../functions/bundle/document.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { region } from '../aws/moto-server.ts';
import { type Deployment, deploy } from './deployment.ts';

const image = 'harness/ci-addon:1.18.22';
const large = 'harness/large:1.0.0';
const MiB = 1024 * 1024;
const address = 's3://bundles/2026/harness.tar';

let factory: Deployment;
let s3: S3Client;

const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab';
const keyPair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicPem = keyPair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

beforeAll(async () => {
  factory = await deploy(
    { addonTag: image },
    {
      settings: {
        BUNDLE_BUCKET: 'bundles',
        BUNDLE_SIGNING_KEY: `arn:aws:kms:${region}:000000000000:key/${keyId}`,
        BUNDLE_VERIFY_KEY: publicPem,
      },
    },
  );
  await createKey();
  s3 = new S3Client({ ...factory.aws.config, forcePathStyle: true });
  const CreateBucketConfiguration = { LocationConstraint: region } as const;
  await s3.send(new CreateBucketCommand({ Bucket: 'bundles', CreateBucketConfiguration }));
}, 600_000);
afterAll(async () => {
  s3?.destroy();
  await factory?.close();
});

/** Creates the key in KMS. LocalStack takes its id and its private key from tags. */
async function createKey(): Promise<void> {
  const material = keyPair.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
  const Tags = [
    { TagKey: '_custom_id_', TagValue: keyId },
    { TagKey: '_custom_key_material_', TagValue: material },
  ];
  const kms = new KMSClient(factory.aws.config);
  await kms.send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', Tags }));
  kms.destroy();
}

const keys = async () => {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'bundles' }));
  return Contents.map(({ Key }) => Key);
};
const read = async (key: string) => {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bundles', Key: key }));
  return (await Body?.transformToByteArray()) ?? new Uint8Array();
};
const put = async (Key: string, Body: Uint8Array) => {
  await s3.send(new PutObjectCommand({ Bucket: 'bundles', Key, Body }));
};
/** Requests that wrote to the registry. */
const pushes = () => factory.target.requests.filter(({ method }) => !['GET', 'HEAD'].includes(method));
/** Returns how often a task has been called so far. */
const callsOf = (task: string) => factory.functions.calls.filter((call) => call.task === task).length;

describe('with the bucket of a deployment', () => {
  it('an export continues in further calls when its function nears the time limit', async () => {
    pushSamples(factory.source, [large], { layerBytes: 30 * MiB });
    const input = { action: 'export', images: [large] };
    factory.functions.limit('export', 4);
    const before = callsOf('export');
    // Large blobs are read one after another, so that no machine reads all of them in one call.
    factory.source.quirks.latencyMs = 700;
    const several = await factory.run('export-4', { ...input, bundle: 's3://bundles/several.tar' });
    factory.source.quirks.latencyMs = 0;
    expect({ status: several.status, cause: several.cause }).toEqual({ status: 'SUCCEEDED', cause: undefined });
    expect(callsOf('export') - before).toBeGreaterThan(1);
    const { images, blobs, id } = parseDocument(await read('several.bundle.json'), 'bundle.json');
    expect(images.map((each) => each.image)).toEqual([`docker.io/${large}`]);
    expect(id).toMatch(/^[\da-f]{64}$/);
    expect(blobs.length).toBeGreaterThan(5);
    expect(await keys()).not.toContain('several.part.json');
  }, 240_000);

  it('a verification continues in further calls, and finds what an earlier call read', async () => {
    // 236 MB are more than LocalStack sends in a second.
    factory.functions.limit('verify', 1);
    const verify = (bundle: string) =>
      factory.run(`verify-${bundle}`, { action: 'verify', bundle: `s3://bundles/${bundle}.tar` });
    const before = callsOf('verify');
    expect(await verify('several')).toMatchObject({ status: 'SUCCEEDED' });
    expect(callsOf('verify') - before).toBeGreaterThan(1);
    const damaged = Buffer.from(await read('several.tar'));
    damaged[MiB] = (damaged[MiB] ?? 0) ^ 1;
    await put('early.tar', damaged);
    await put('early.sig', await read('several.sig'));
    expect(await verify('early')).toMatchObject({ status: 'FAILED' });
    const { error } = (await factory.report('verify-early')) ?? {};
    expect(error).toMatchObject({
      name: 'BundleInvalid',
      message: expect.stringMatching(
        /^s3:\/\/bundles\/early\.tar: blobs\/sha256\/[\da-f]{64}: its bytes have another digest$/,
      ),
    });
  }, 240_000);

  it('an export writes the bundle and the files beside it', async () => {
    const { status, cause } = await factory.run('export-1', { action: 'export', bundle: address });
    expect({ status, cause }).toEqual({ status: 'SUCCEEDED', cause: undefined });
    const written = (await keys()).filter((key) => key?.startsWith('2026/'));
    expect(written).toEqual(
      ['bundle.json', 'sbom.cdx.json', 'sha256', 'sig', 'tar'].map((name) => `2026/harness.${name}`),
    );
    const document = parseDocument(await read('2026/harness.bundle.json'), 'bundle.json');
    expect(document.images.map((each) => each.image)).toEqual([`docker.io/${image}`]);
    expect(Buffer.from(await read('2026/harness.tar')).includes(encodeDocument(document))).toBe(true);
    // Nothing was written elsewhere.
    expect(factory.overrides()).toEqual({});
  }, 120_000);

  it('an export is signed by the key of KMS, as openssl confirms', async () => {
    const file = async (name: string, content: Uint8Array | string) => {
      const path = join(factory.folder, name);
      await writeFile(path, content);
      return path;
    };
    const [key, signature, document, altered] = await Promise.all([
      file('pub.pem', publicPem),
      file('harness.sig', await read('2026/harness.sig')),
      file('harness.bundle.json', await read('2026/harness.bundle.json')),
      file('altered.json', (await read('2026/harness.bundle.json')).toReversed()),
    ]);
    const check = (path: string) =>
      spawnSync('openssl', ['dgst', '-sha256', '-verify', key, '-signature', signature, path], { encoding: 'utf8' });
    expect(check(document)).toMatchObject({ status: 0, stdout: 'Verified OK\n' });
    expect(check(altered)).toMatchObject({ status: 1 });
  });

  it.each(['import', 'verify', 'plan'])(
    '%s refuses a bundle without a signature, and one that another key signed',
    async (action) => {
      const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
      const document = await read('2026/harness.bundle.json');
      const tar = await read('2026/harness.tar');
      for (const [name, beside] of [
        ['unsigned', undefined],
        ['foreign', sign('sha256', document, other)],
      ] as const) {
        await put(`${name}.tar`, tar);
        if (beside) await put(`${name}.sig`, beside);
        const runId = `${action}-${name}`;
        const bundle = `s3://bundles/${name}.tar`;
        expect(await factory.run(runId, { action, bundle })).toMatchObject({ status: 'FAILED' });
        const { error } = (await factory.report(runId)) ?? {};
        expect(error).toMatchObject({
          name: 'SignatureInvalid',
          message: beside
            ? `s3://bundles/${name}.sig is not a signature of this bundle by the key BUNDLE_VERIFY_KEY`
            : `the bundle has no signature: s3://bundles/${name}.sig is missing`,
        });
      }
      // Nothing was written.
      expect(factory.overrides()).toEqual({});
      expect(pushes()).toEqual([]);
    },
    120_000,
  );

  it('an export is complete although its function died at the end', async () => {
    factory.functions.fail('export', { kind: 'dies-after' });
    const again = { action: 'export', bundle: 's3://bundles/died.tar' };
    expect(await factory.run('export-2', again)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await factory.run('export-3', again)).toMatchObject({ status: 'SUCCEEDED' });
    expect(await keys()).not.toContain('died.part.json');
  }, 120_000);

  it('verify reads the whole bundle and finds damage', async () => {
    expect(await factory.run('verify-1', { action: 'verify', bundle: address })).toMatchObject({ status: 'SUCCEEDED' });
    const damaged = Buffer.from(await read('2026/harness.tar'));
    const at = damaged.length - 2_000;
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await put('damaged.tar', damaged);
    await put('damaged.sig', await read('2026/harness.sig'));
    const verify = { action: 'verify', bundle: 's3://bundles/damaged.tar' };
    expect(await factory.run('verify-2', verify)).toMatchObject({ status: 'FAILED' });
    expect(await factory.report('verify-2')).toMatchObject({ error: { name: 'BundleInvalid' } });
  }, 120_000);

  it('an import copies a large image in further calls', async () => {
    factory.functions.limit('copy', 2);
    const before = callsOf('copy');
    const input = { action: 'import', bundle: 's3://bundles/several.tar' };
    // The uploads of large blobs take several requests each.
    factory.target.quirks.latencyMs = 200;
    const { status, cause } = await factory.run('import-several', input);
    factory.target.quirks.latencyMs = 0;
    expect({ status, cause }).toEqual({ status: 'SUCCEEDED', cause: undefined });
    expect(callsOf('copy') - before).toBeGreaterThan(1);
  }, 240_000);

  it('an import switches Harness where no source can be reached', async () => {
    await factory.source.close();
    const { status, cause } = await factory.run('import-1', { action: 'import', bundle: address });
    expect({ status, cause }).toEqual({ status: 'SUCCEEDED', cause: undefined });
    expect(factory.overrides()).toEqual({ addonTag: `${factory.registry}/${image}` });
  }, 120_000);

  it.each([
    ['in another bucket', 's3://other/a.tar', 's3://bundles/KEY'],
    ['in a file', '/tmp/a.tar', 's3://bundles/KEY'],
  ])(
    'an import refuses a bundle %s',
    async (name, bundle, allowed) => {
      const runId = `refused-${name.replaceAll(' ', '-')}`;
      expect(await factory.run(runId, { action: 'import', bundle })).toMatchObject({ status: 'FAILED' });
      const { error } = (await factory.report(runId)) ?? {};
      expect(JSON.stringify(error)).toContain(allowed);
    },
    120_000,
  );
});
