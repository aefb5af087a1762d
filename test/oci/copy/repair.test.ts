import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { Deadline } from '../../../functions/oci/copy/deadline.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { type Profile, profileOf } from '../../../functions/oci/registry/profile.ts';
import { connect, copy, expectWhole, received } from '../connect.ts';
import { indexOf, storedImage } from '../stored-images.ts';
import { from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

const [amd, arm] = ['amd', 'arm'].map((own) => storedImage([Buffer.from('base'), Buffer.from(own.repeat(9))]));
const image = indexOf([indexOf([amd as never, arm as never])]);
const lost = [...(arm?.blobs.keys() ?? [])].at(-1) as Digest;
const lostBytes = arm?.blobs.get(lost)?.length;

useTwoRegistries();
beforeEach(() => {
  for (const [registry, repository] of [
    [from, name],
    [to, mirror],
  ] as const)
    registry.storage.putImage(repository, '1', image);
  to.storage.deleteBlob(mirror, lost);
  to.storage.deleteManifest(mirror, arm?.digest ?? '');
});

/** A destination whose registry behaves like one of that name. */
function destination(like: string, change: Partial<Profile> = {}): Repository {
  return new Repository(connect(to.host, { profile: { ...profileOf(like), ...change } }), mirror);
}

/** A ledger that remembers the blob from before it was lost. */
function staleLedger(repository = mirror): BlobLedger {
  const ledger = new BlobLedger();
  ledger.record(lost, repository);
  return ledger;
}

describe('a repair', () => {
  it.each<[string, Repository['name'], Partial<Profile>]>([
    ['registry.example.com', mirror, {}],
    ['123456789012.dkr.ecr.eu-west-1.amazonaws.com', mirror, {}],
    ['acme.jfrog.io', mirror, {}],
    ['public.ecr.aws', mirror, {}],
    // The blob is noted in another repository, which has lost it as well.
    ['registry.example.com', 'mirror/another', {}],
    ['registry.example.com', mirror, { headBlob: false }],
  ])('sends what is missing and nothing else: like %s, noted in %s, %j', async (like, noted, change) => {
    const totals = await copy(source, '1', destination(like, change), { repair: true, ledger: staleLedger(noted) });
    expectWhole(to, mirror, image);
    expect(totals.bytesTransferred).toBe(lostBytes);
    expect(received(to, /\/blobs\//)).toBe(lostBytes);
  });

  it('does not assume that a repository created just now is empty', async () => {
    const totals = await copy(source, '1', destination('registry.example.com'), { repair: true, fresh: true });
    expect(totals.bytesTransferred).toBe(lostBytes);
  });

  it('sends the same in steps, as on Lambda', async () => {
    const deadline = new Deadline(Date.now() + 60_000, Date.now() + 90_000);
    const options = { ledger: staleLedger(), repair: true, deadline };
    const result = await copy(source, '1', destination('registry.example.com'), options);
    expect(result).toMatchObject({ confirmed: true, bytesTransferred: lostBytes });
    expectWhole(to, mirror, image);
  });
});
