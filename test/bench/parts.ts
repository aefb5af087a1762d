import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transport } from '../../functions/http/transport.ts';
import { copyImage } from '../../functions/oci/copy/copy-image.ts';
import { resumableHash } from '../../functions/oci/copy/resumable-hash.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { Registry } from '../../functions/oci/registry/registry.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { digestOf } from '../../functions/oci/spec/digest.ts';
import { ImageStore } from './image-store.ts';
import { startRegistry } from './registry.ts';

const MiB = 1024 * 1024;
const repository = 'bench/parts';
const tag = '1';
/** Least speed of the hash of parts, in MiB/s: five times what it was with V8's flags for small code. */
const leastHashSpeed = 125;

/** Measures uploads in parts: the resumable hash alone, and copies of one large layer in one stream and in parts. */
export async function parts(mebibytes = 512): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'factory-bench-'));
  const transport = new Transport();
  try {
    const store = new ImageStore(join(folder, 'source'));
    const layer = await store.layer(repository, 'parts', mebibytes * MiB);
    await store.image(repository, { os: 'linux', architecture: 'amd64' }, [layer], tag);
    await using source = await startRegistry(join(folder, 'source'));
    await using target = await startRegistry(join(folder, 'target'));
    const at = (registry: string, name: string) =>
      new Repository(new Registry({ registry, transport, credentials: anonymous }), name);
    const copyTo = (name: string, more: { onCheckpoint?: () => Promise<void> }) =>
      speed(mebibytes, () => copyImage(at(source.host, repository), at(target.host, name), { tag, ...more }));
    let checkpoints = 0;
    const hash = await speed(mebibytes, () => hashOf(mebibytes));
    const stream = await copyTo('bench/stream', {});
    const inParts = await copyTo(repository, { onCheckpoint: async () => void checkpoints++ });
    if (checkpoints === 0) throw new Error('the layer was not sent in parts');
    return [
      `one layer of ${mebibytes} MiB, ${checkpoints} checkpoints`,
      `in one stream: ${stream.toFixed(0)} MiB/s`,
      `in parts: ${inParts.toFixed(0)} MiB/s`,
      `${hash >= leastHashSpeed ? 'holds' : 'FAILS'}: resumable hash ${hash.toFixed(0)} MiB/s, at least ${leastHashSpeed}\n`,
    ].join('\n');
  } finally {
    await transport.destroy();
    await rm(folder, { recursive: true, force: true });
  }
}

async function hashOf(mebibytes: number): Promise<void> {
  const chunk = randomBytes(8 * MiB);
  const hash = await resumableHash(digestOf(chunk));
  for (let done = 0; done < mebibytes; done += 8) {
    hash.update(chunk);
    hash.save();
  }
}

/** Returns MiB per second. */
async function speed(mebibytes: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (mebibytes * 1000) / (performance.now() - started);
}
