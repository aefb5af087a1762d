import type { Transport } from '../../functions/http/transport.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { BlobLedger } from '../../functions/oci/copy/blob-ledger.ts';
import { copyImage } from '../../functions/oci/copy/copy-image.ts';
import { type Image, loadImage } from '../../functions/oci/spec/image.ts';
import { inParallel } from '../../functions/async/in-parallel.ts';
import { getManifest, resolveTag } from '../../functions/oci/registry/manifests.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { Registry } from '../../functions/oci/registry/registry.ts';
import type { Job } from './peers.ts';

const lookupsInFlight = 16;
const imagesInFlight = 5;

/**
 * Copies the images of a job with the OCI library alone, in the steps and with the parallelism of a run: all are looked
 * up, then those that are missing are copied.
 */
export async function copyJob(job: Pick<Job, 'images' | 'source' | 'target'>, transport: Transport): Promise<void> {
  const [source, target] = [job.source, job.target].map(
    (registry) => new Registry({ registry, transport, credentials: anonymous }),
  ) as [Registry, Registry];
  const ledger = new BlobLedger();
  const missing: { source: Repository; destination: Repository; image: Image; tag: string }[] = [];
  await inParallel(job.images, lookupsInFlight, undefined, async ({ repository: name, tag }, signal) => {
    const from = new Repository(source, name);
    const to = new Repository(target, name);
    // As in a run: an image that no earlier run copied is likely absent.
    const [wanted, present] = await Promise.all([
      resolveTag(from, tag, { signal }),
      resolveTag(to, tag, { signal, absence: 'likely' }),
    ]);
    if (wanted === undefined) throw new Error(`${source.name}/${name}:${tag} does not exist`);
    if (wanted === present) return;
    const root = await getManifest(from, wanted, signal);
    const image = await loadImage(root, (digest) => getManifest(from, digest, signal));
    missing.push({ source: from, destination: to, image, tag });
  });
  await inParallel(missing, imagesInFlight, undefined, async ({ source: from, destination: to, ...copy }, signal) => {
    await copyImage(from, to, { ...copy, ledger, signal });
  });
}
