import { readFile } from 'node:fs/promises';
import { parseDocument } from '../../../functions/bundle/document.ts';
import { fileCarrier, fileSource } from '../../../functions/bundle/file-carrier.ts';
import { openBundle } from '../../../functions/bundle/open-bundle.ts';
import { planBundle } from '../../../functions/bundle/plan-bundle.ts';
import { writeFolder } from '../../../functions/bundle/write-folder.ts';
import { writeTar } from '../../../functions/bundle/write-tar.ts';
import { inParallel } from '../../../functions/async/in-parallel.ts';
import { Transport } from '../../../functions/http/transport.ts';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { copyImage } from '../../../functions/oci/copy/copy-image.ts';
import { anonymous } from '../../../functions/oci/registry/auth/credentials.ts';
import { Registry } from '../../../functions/oci/registry/registry.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { loadImage } from '../../../functions/oci/spec/image.ts';
import { parseReference } from '../../../functions/oci/spec/reference.ts';
import type { BundleJob } from './works.ts';

/** Does a job (a file, the first argument) with the library of bundles alone. */
const job = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Omit<BundleJob, 'home'>;
const transport = new Transport();
const registry = new Registry({ registry: job.registry, transport, credentials: anonymous });
const lookupsInFlight = 16;
const imagesInFlight = 5;

if (job.work.startsWith('export')) await exportBundle();
else await importBundle();
await transport.close();

async function exportBundle(): Promise<void> {
  const base = job.base === undefined ? undefined : parseDocument(await readFile(job.base), job.base);
  const images: Parameters<typeof planBundle>[0]['images'][number][] = [];
  await inParallel(job.images, lookupsInFlight, undefined, async ({ repository, tag }, signal) => {
    const source = new Repository(registry, repository);
    const root = await source.manifest(tag, signal);
    const name = parseReference(`docker.io/${repository}:${tag}`);
    images.push({ name, root, sources: [source], sourceName: 'dockerhub', roles: [] });
  });
  const plan = await planBundle({
    images,
    createdAt: '2026-01-01T00:00:00.000Z',
    factory: 'bench',
    base: base ? [{ id: base.id, kind: 'assumed' }] : [],
    leaveOut: new Set<Digest>(base?.blobs.map(([digest]) => digest)),
    policy: { platforms: [], referrers: 'off', pins: {} },
  });
  const { kind, path } = job.bundle;
  await (kind === 'folder' ? writeFolder(plan, path) : writeTar(plan, fileCarrier(path)));
}

async function importBundle(): Promise<void> {
  const { kind, path } = job.bundle;
  const bundle = await openBundle(kind === 'folder' ? { folder: path } : await fileSource(path));
  const ledger = new BlobLedger();
  await inParallel(bundle.document.images, imagesInFlight, undefined, async ({ image: name, digest }, signal) => {
    const source = bundle.source(name);
    const { repository, tag = '' } = parseReference(name);
    const root = await source.manifest(digest, signal);
    const image = await loadImage(root, (child) => source.manifest(child, signal));
    await copyImage(source, new Repository(registry, repository), { image, tag, ledger, signal });
  });
  await bundle.close();
}
