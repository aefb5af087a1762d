import { beforeEach, describe, expect, it } from '@jest/globals';
import { BlobLedger } from '../../../functions/oci/copy/blob-ledger.ts';
import { copyReferrers } from '../../../functions/oci/copy/copy-referrers.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { getManifest } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import {
  cosignTags,
  isWantedReferrer,
  listReferrers,
  type ReferrersPolicy,
} from '../../../functions/oci/registry/referrers.ts';
import type { Image } from '../../../infra/local/embedded/registry/storage.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { copy, count, errorOf, expectWhole, received } from '../connect.ts';
import { artifact, descriptorOf, indexOf } from '../stored-images.ts';
import { destination, from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

const notation = 'application/vnd.cncf.notary.signature';
const spdx = 'application/spdx+json';
const image = sampleImage({ name, tag: '1', layerBytes: 2048 });
const child = image.children[0] as Image;
const signature = artifact(notation, Buffer.from('signature'), image);
const childSignature = artifact(notation, Buffer.from('signature of a child'), child);
const sbom = artifact(spdx, Buffer.from('sbom'), image);
const artifacts = { signature, childSignature, sbom };
const cosign = artifact('application/vnd.dev.cosign.simplesigning.v1+json', Buffer.from('cosign'));
const subjects = [image.digest, child.digest] as Digest[];
const fallbackTag = image.digest.replace(':', '-');

useTwoRegistries();
beforeEach(async () => {
  from.storage.putImage(name, '1', image);
  await copy(source, '1', destination);
  for (const stored of Object.values(artifacts)) from.storage.putImage(name, undefined, stored);
});

const run = (policy: ReferrersPolicy) =>
  copyReferrers({
    source,
    destination,
    subjects,
    policy,
    ledger: new BlobLedger(),
    read: (digest) => getManifest(source, digest),
  });

const arrived = () =>
  Object.entries(artifacts).flatMap(([key, { digest }]) => (to.storage.manifest(mirror, digest) ? [key] : []));

const known = async (repository: Repository) =>
  (await listReferrers(repository, image.digest as Digest)).artifacts.map(({ digest }) => digest).toSorted();

describe('signatures', () => {
  const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const predicate = (type: string) => ({ 'dev.sigstore.bundle.predicateType': type });
  it.each<[string, string, Record<string, string> | undefined, boolean]>([
    ['signatures of Notation', notation, undefined, true],
    ['signatures of cosign, as artifacts', 'application/vnd.dev.cosign.artifact.sig.v1+json', undefined, true],
    ['signatures of cosign, as bundles', bundle, predicate('https://sigstore.dev/cosign/sign/v1'), true],
    ['a bundle without a predicate type', bundle, undefined, true],
    ['an older bundle', 'application/vnd.dev.sigstore.bundle+json;version=0.2', undefined, true],
    ['no attestation in a bundle', bundle, predicate('https://slsa.dev/provenance/v1'), false],
    ['no SBOM', spdx, undefined, false],
  ])('the policy for signatures takes %s', (_, artifactType, annotations, expected) => {
    const descriptor = {
      ...descriptorOf(signature),
      digest: signature.digest as Digest,
      artifactType,
      ...(annotations && { annotations }),
    };
    expect(isWantedReferrer('signatures', descriptor)).toBe(expected);
    expect(isWantedReferrer('all', descriptor)).toBe(true);
    expect(isWantedReferrer('off', descriptor)).toBe(false);
  });
});

describe('referrers of an image', () => {
  it.each<[ReferrersPolicy, string[]]>([
    ['off', []],
    ['signatures', ['signature', 'childSignature']],
    ['all', ['signature', 'childSignature', 'sbom']],
  ])('goes along by the policy "%s"', async (policy, expected) => {
    await run(policy);
    expect(arrived()).toEqual(expected);
    for (const key of expected) expectWhole(to, mirror, artifacts[key as keyof typeof artifacts]);
  });

  it('costs no request when the policy is "off"', async () => {
    from.requests.length = 0;
    to.requests.length = 0;
    expect(await run('off')).toEqual({ bytesTransferred: 0, bytesSkipped: 0, warnings: [] });
    expect([...from.requests, ...to.requests]).toEqual([]);
  });

  it('copies each referrer once', async () => {
    const first = await run('all');
    to.requests.length = 0;
    expect([first.bytesTransferred > 0, (await run('all')).bytesTransferred, received(to)]).toEqual([true, 0, 0]);
    expect(to.storage.tags(mirror)).toEqual(['1']);
  });

  it('reads referrers to the last page', async () => {
    from.quirks.referrersPageSize = 1;
    expect(await known(source)).toEqual([signature.digest, sbom.digest].toSorted());
    await run('all');
    expect(arrived()).toEqual(Object.keys(artifacts));
  });

  it('maintains the fallback tag where the destination has no referrers API', async () => {
    to.quirks.noReferrers = true;
    await run('all');
    await run('all');
    expect(to.storage.tags(mirror)).toEqual(['1', fallbackTag, child.digest.replace(':', '-')].toSorted());
    expect(await known(destination)).toEqual([signature.digest, sbom.digest].toSorted());
  });

  it('keeps what the fallback index lists already', async () => {
    to.quirks.noReferrers = true;
    const older = artifact('application/older', Buffer.from('older'), image);
    to.storage.putImage(mirror, undefined, older);
    to.storage.putImage(mirror, fallbackTag, indexOf([older]));
    await run('signatures');
    expect(await known(destination)).toEqual([older.digest, signature.digest].toSorted());
  });

  it.each([400, 404, 405, 501])('finds referrers by the fallback tag where the source answers %d', async (status) => {
    const described = [signature, sbom].map((stored, i) => ({
      ...descriptorOf(stored),
      artifactType: [notation, spdx][i],
    }));
    from.storage.putImage(name, fallbackTag, indexOf([], { manifests: described }));
    from.faults.add({ match: { path: /\/referrers\//, times: 99 }, act: { status } });
    await run('signatures');
    expect(arrived()).toEqual(['signature']);
  });

  it('finds no referrers where there is neither API nor tag', async () => {
    from.quirks.noReferrers = true;
    expect(await run('all')).toEqual({ bytesTransferred: 0, bytesSkipped: 0, warnings: [] });
    expect(arrived()).toEqual([]);
  });

  it.each<[ReferrersPolicy, string[]]>([
    ['off', []],
    ['signatures', ['sig']],
    ['all', ['att', 'sbom', 'sig']],
  ])(`copies cosign's tagged signatures with the policy "%s"`, async (policy, expected) => {
    for (const suffix of ['sig', 'att', 'sbom', 'other'])
      from.storage.putImage(name, `${fallbackTag}.${suffix}`, cosign);
    await run(policy);
    const tags = to.storage.tags(mirror).filter((tag) => tag.startsWith(`${fallbackTag}.`));
    expect(tags).toEqual(expected.map((suffix) => `${fallbackTag}.${suffix}`));
    expect(cosignTags(policy, image.digest as Digest).toSorted()).toEqual(tags);
    if (expected.length > 0) expectWhole(to, mirror, cosign);
  });

  it('costs the destination one list for each manifest of the image that has some', async () => {
    to.requests.length = 0;
    await run('all');
    expect(count(to, 'GET', /\/referrers\//)).toBe(2);
  });

  it('names an artifact that was not copied because the destination refuses subjects, as ECR does, and copies tagged ones', async () => {
    to.quirks.rejectSubject = 405;
    from.storage.putImage(name, `${fallbackTag}.sig`, cosign);
    const { warnings } = await run('all');
    expect(arrived()).toEqual([]);
    expect(warnings).toHaveLength(3);
    for (const { digest } of Object.values(artifacts))
      expect(warnings.find((warning) => warning.includes(`${digest} was not copied`))).toMatch(
        /HTTP 405 \(UNSUPPORTED/,
      );
    expect(warnings.find((warning) => warning.includes(spdx))).toContain(sbom.digest);
    expectWhole(to, mirror, cosign);
    expect(to.storage.tags(mirror)).toEqual(['1', `${fallbackTag}.sig`]);
  });

  it('copies the other referrers when the source does not serve one', async () => {
    const gone = new RegExp(`/manifests/${signature.digest}`);
    from.faults.add({ match: { method: 'GET', path: gone, times: 99 }, act: { status: 503 } });
    const { warnings } = await run('all');
    expect(warnings).toEqual([expect.stringContaining(`${notation} ${signature.digest} was not copied`)]);
    expect(arrived()).toEqual(['childSignature', 'sbom']);
    expect(await known(destination)).toEqual([sbom.digest]);
  });

  it('ends with its signal', async () => {
    const aborted = new AbortController();
    const reason = new Error('enough');
    const work = copyReferrers({
      source,
      destination,
      subjects,
      policy: 'all',
      ledger: new BlobLedger(),
      read: async () => {
        aborted.abort(reason);
        throw new TypeError('aborted');
      },
      signal: aborted.signal,
    });
    expect(await errorOf(work)).toBe(reason);
  });

  it.each([
    ['no JSON', '<html>'],
    ['larger than any index', ' '.repeat(5 * 1024 * 1024)],
  ])('reports that a referrer listed as %s was not copied', async (_, body) => {
    from.faults.add({ match: { path: /\/referrers\// }, act: { status: 200, body } });
    const { warnings } = await run('all');
    expect(warnings).toEqual([expect.stringContaining(`what refers to ${image.digest} was not copied`)]);
    expect(arrived()).toEqual(['childSignature']);
  });
});
