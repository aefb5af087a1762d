import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { copyReferrers } from '../../../functions/oci/copy/copy-referrers.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { getManifest } from '../../../functions/oci/registry/manifests.ts';
import { mediaTypes } from '../../../functions/oci/spec/media-type.ts';
import { listReferrers, referrerLimits } from '../../../functions/oci/registry/referrers.ts';
import { connect, disconnect } from '../connect.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

const servers: Server[] = [];

afterEach(async () => {
  await disconnect();
  for (const server of servers.splice(0)) {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
});

const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest;

/** A registry that serves only lists of referrers, page after page, each with a number of artifacts. */
async function serve(artifacts: number, pages = Infinity) {
  const seen = { lists: 0, others: 0 };
  const server = createServer((request, response) => {
    if (!request.url?.includes('/referrers/')) {
      seen.others++;
      return void response.writeHead(404).end();
    }
    const page = ++seen.lists;
    const manifests = Array.from({ length: artifacts }, (_, n) => ({
      mediaType: mediaTypes.ociManifest,
      digest: digest(page * 100_000 + n),
      size: 1,
    }));
    response.setHeader('content-type', mediaTypes.ociIndex);
    if (page < pages) response.setHeader('link', `</v2/a/b/referrers/${digest(0)}?page=${page}>; rel="next"`);
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const registry = connect(`127.0.0.1:${(server.address() as AddressInfo).port}`, {
    retry: { attempts: 1, baseMs: 0, maxMs: 0 },
  });
  return { seen, repository: new Repository(registry, 'a/b') };
}

const subject = digest(1);

it('reads no page after the last accepted artifact', async () => {
  const { repository, seen } = await serve(referrerLimits.artifacts + 1);
  const { artifacts, truncated } = await listReferrers(repository, subject);
  expect([artifacts.length, truncated, seen.lists]).toEqual([referrerLimits.artifacts, true, 1]);
});

it('reads a bounded number of pages, empty ones too', async () => {
  const { repository, seen } = await serve(0);
  expect(await listReferrers(repository, subject)).toEqual({ artifacts: [], truncated: true });
  expect(seen.lists).toBe(referrerLimits.pages);
});

it('reads all pages of a list within the bounds', async () => {
  const { repository } = await serve(2, 3);
  const { artifacts, truncated } = await listReferrers(repository, subject);
  expect([artifacts.length, truncated]).toEqual([6, false]);
});

it('copies a bounded number of artifacts of an image, and reports the others', async () => {
  const [source, destination] = [await serve(400), await serve(0, 1)];
  const subjects = Array.from({ length: 300 }, (_, n) => digest(n + 1));
  const { warnings } = await copyReferrers({
    source: source.repository,
    destination: destination.repository,
    subjects,
    policy: 'all',
    ledger: new BlobLedger(),
    read: (wanted) => getManifest(source.repository, wanted),
  });
  // One look for each artifact, and for the three tags of cosign of each manifest that has them at the source.
  expect(destination.seen.others).toBeLessThanOrEqual(1_000);
  expect(warnings).toContain('the image has 300 manifests: artifacts that refer to the first 200 were looked for');
  expect(warnings).toContain(
    `more artifacts refer to ${subject} than are copied (500 of a manifest, 1000 of an image): 500 of them are copied`,
  );
  expect(warnings).toContain(
    `more artifacts refer to ${digest(3)} than are copied (500 of a manifest, 1000 of an image): 0 of them are copied`,
  );
});
