import { describe, expect, it } from '@jest/globals';
import { getManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import { type ProfileName, profile, profileNames } from '../../../infra/local/embedded/registry/profiles.ts';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { connect, copy, count, errorOf, expectWhole } from '../connect.ts';
import { always } from '../providers.ts';
import { storedImage } from '../stored-images.ts';
import { destination, from, mirror, name, source, to, useTwoRegistries } from './two-registries.ts';

useTwoRegistries();

const layerBytes = 4096;
const index = sampleImage({ name, tag: '1', attestations: true, layerBytes });
const dockerList = sampleImage({ name, tag: '1', docker: true, layerBytes });
const MiB = 1024 * 1024;
const image = (bytes: number) => storedImage([Buffer.alloc(bytes, 'large'), Buffer.from('small')]);
/** Above what any profile takes for small. */
const large = image(9 * MiB);
/** Above the largest limit of a PUT. */
const huge = image(21 * MiB);

const at = (repository: string): Repository => new Repository(destination.registry, repository);

describe('the quirks of a registry', () => {
  const hosts: Record<ProfileName, string> = {
    acr: 'acme.azurecr.io',
    artifactory: 'acme.jfrog.io',
    cloudflare: 'registry.acme.workers.dev',
    distribution: 'registry.acme.com',
    'docker-hub': 'docker.io',
    ecr: '123456789012.dkr.ecr.us-east-1.amazonaws.com',
    'ecr-public': 'public.ecr.aws',
    gar: 'europe-docker.pkg.dev',
    ghcr: 'ghcr.io',
    gitlab: 'registry.gitlab.com',
    harbor: 'harbor.acme.com',
    nexus: 'nexus.acme.com:8443',
    quay: 'quay.io',
    zot: 'zot.acme.com',
  };

  // Loopback's name tells nothing: who is not known by name is learnt from what it answers. What no answer tells is
  // that ECR Public answers 401 to HEAD of a blob.
  const cases = profileNames.flatMap((profileName) => [
    { profileName, knownBy: hosts[profileName] },
    ...(profileName === 'ecr-public' ? [] : [{ profileName, knownBy: 'nothing but its answers' }]),
  ]);
  it.each(cases)(
    'copies to and from a registry with the quirks of $profileName, known by $knownBy',
    async ({ profileName, knownBy }) => {
      const quirks = { ...profile(profileName), manifestPutsPerSecond: 1_000 };
      const quirky = await startRegistry({ quirks, repositories: [mirror] });
      const { apiHost: _, ...known } = profileOf(knownBy);
      expect(known.name).toBe(hosts[profileName] === knownBy ? profileName : 'distribution');
      try {
        from.storage.putImage(name, '1', dockerList);
        const above = Math.max(known.maxPut, quirks.maxPutBytes ?? 0);
        const blobs = above < Infinity && above > 8 * MiB ? huge : large;
        from.storage.putImage(name, '2', blobs);
        const there = new Repository(connect(quirky.host, { profile: known }), mirror);
        expect(await resolveTag(there, '1')).toBeUndefined();
        for (const [tag, image] of [
          ['1', dockerList],
          ['2', blobs],
        ] as const) {
          await copy(source, tag, there);
          expectWhole(quirky, mirror, image);
          await copy(there, tag, at(`from/${profileName}`));
          expectWhole(to, `from/${profileName}`, image);
        }
      } finally {
        await quirky.close();
      }
    },
  );

  it.each<ProfileName>(['artifactory', 'ecr-public'])('copies from %s despite its quirks', async (profileName) => {
    Object.assign(from.quirks, profile(profileName));
    from.storage.putImage(name, '1', index);
    await copy(source, '1', destination);
    expectWhole(to, mirror, index);
  });

  it('recognizes Artifact Registry by its host: one PUT, no PATCH', async () => {
    Object.assign(to.quirks, profile('gar'));
    from.storage.putImage(name, '1', large);
    const registry = connect(to.host, { profile: profileOf('europe-docker.pkg.dev') });
    await copy(source, '1', new Repository(registry, mirror));
    expectWhole(to, mirror, large);
    expect(count(to, 'PATCH')).toBe(0);
  });

  it('recognizes the quirks of registries by their host names', () => {
    const names = [
      ['docker.io', 'docker-hub'],
      ['registry-1.docker.io', 'docker-hub'],
      ['us-docker.pkg.dev', 'gar'],
      ['eu.gcr.io', 'gar'],
      ['gcr.io', 'gar'],
      ['123456789012.dkr.ecr.us-east-1.amazonaws.com', 'ecr'],
      ['123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com', 'ecr'],
      ['123456789012.dkr-ecr.eu-west-1.on.aws', 'ecr'],
      ['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn', 'ecr'],
      ['public.ecr.aws', 'ecr-public'],
      ['acme.jfrog.io', 'artifactory'],
      ['artifactory.acme.com:8443', 'artifactory'],
      ['acme.azurecr.io', 'acr'],
      ['acme.azurecr.cn', 'acr'],
      ['ghcr.io', 'ghcr'],
      ['quay.io', 'quay'],
      ['demo.goharbor.io', 'harbor'],
      ['harbor.acme.com:443', 'harbor'],
      ['registry.gitlab.com', 'gitlab'],
      ['nexus.acme.com', 'nexus'],
      ['zothub.io', 'zot'],
      ['registry.acme.workers.dev', 'cloudflare'],
      ['127.0.0.1:5000', 'distribution'],
      ['notgcr.io', 'distribution'],
      ['us-docker.pkg.dev.evil.com', 'distribution'],
      ['docker.io.evil.com', 'distribution'],
      ['ghcr.io.evil.com', 'distribution'],
      ['acme.azurecr.io.evil.com', 'distribution'],
    ];
    expect(names.map(([host = '']) => [host, profileOf(host).name])).toEqual(names);
  });
});

describe('a registry that names its token service at its root alone', () => {
  const auth = { kind: 'bearer', users: { ada: 's3cret' } } as const;
  const credentials = always({ username: 'ada', password: 's3cret' });

  it.each<401 | 403>([403, 401])('asks the root for the token service, once, after %d', async (silentRefusal) => {
    const quiet = await startRegistry({ auth, quirks: { silentRefusal } });
    try {
      quiet.storage.putImage(name, '1', index);
      const there = new Repository(connect(quiet.host, { credentials }), name);
      const [digest] = await Promise.all([resolveTag(there, '1'), resolveTag(there, '2'), getManifest(there, '1')]);
      expect(digest).toBe(index.digest);
      await copy(there, '1', destination);
      expectWhole(to, mirror, index);
      expect(count(quiet, 'GET', /^\/v2\/$/)).toBe(1);
    } finally {
      await quiet.close();
    }
  });

  it('pulls without a login when the registry requires none', async () => {
    from.quirks.silentRefusal = 403;
    expect(await errorOf(resolveTag(source, '1'))).toMatchObject({ name: 'RegistryForbidden' });
    expect(await errorOf(resolveTag(source, '1'))).toMatchObject({ name: 'RegistryForbidden' });
    expect(count(from, 'GET', /^\/v2\/$/)).toBe(1);
  });

  it('asks the root again when it was unreachable', async () => {
    const quiet = await startRegistry({ auth, quirks: { silentRefusal: 403 } });
    try {
      quiet.storage.putImage(name, '1', index);
      quiet.faults.add({ match: { method: 'GET', path: /^\/v2\/$/ }, act: 'reset' });
      const there = new Repository(connect(quiet.host, { credentials }), name);
      expect(await errorOf(getManifest(there, '1'))).toMatchObject({ name: 'RegistryForbidden' });
      expect(await resolveTag(there, '1')).toBe(index.digest);
    } finally {
      await quiet.close();
    }
  });
});

describe('Artifactory under any name', () => {
  const notes: string[] = [];
  const there = () => new Repository(connect(to.host, { onNote: (note) => notes.push(note) }), mirror);

  it('recognizes Artifactory by its responses: 403 means missing, with one note', async () => {
    notes.length = 0;
    Object.assign(to.quirks, profile('artifactory'));
    const repository = there();
    expect([await resolveTag(repository, '1'), await resolveTag(repository, '2')]).toEqual([undefined, undefined]);
    expect(notes).toEqual([`${to.host} is Artifactory: its 403 may mean that the image is missing`]);
  });

  it('does not take every registry that responds 403 for Artifactory', async () => {
    notes.length = 0;
    to.quirks.forbiddenForMissing = true;
    expect(await errorOf(resolveTag(there(), '1'))).toMatchObject({ name: 'RegistryForbidden' });
    expect(notes).toEqual([]);
  });
});
