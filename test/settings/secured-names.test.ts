import { describe, expect, it } from '@jest/globals';
import { namesOfImage, saasName, securedName } from '../../functions/settings/secured-names.ts';
import { imagesOfSets } from '../../functions/settings/extra-sets.ts';
import { officialDefaults } from '../../infra/local/embedded/harness-api/profiles.ts';

const repositoryOf = (image: string) => image.slice(0, image.indexOf(':'));

describe('the two names of an image', () => {
  it('lead from the self-managed platform to SaaS for every field of both', () => {
    const saas = officialDefaults('saas-2026').ci;
    const selfManaged = officialDefaults('self-managed').ci;
    const pairs = (['K8', 'VM'] as const).flatMap((infra) =>
      Object.entries(selfManaged[infra] ?? {}).map(([field, image]) => [image, saas[infra]?.[field] ?? ''] as const),
    );
    expect(pairs.length).toBeGreaterThan(60);
    const names = pairs.map(([secured, official]) => [repositoryOf(secured), repositoryOf(official)]);
    expect(names.map(([secured = '']) => saasName(secured))).toEqual(names.map(([, official]) => official));
    expect(names.map(([, official = '']) => securedName(official))).toEqual(names.map(([secured]) => secured));
  });

  it('lead back to every image of the sets', () => {
    const names = imagesOfSets(['ci-plugins', 'sto-scanners', 'delegate', 'cd-steps']).map(
      ({ image }) => image.repository,
    );
    expect(names.map((name) => saasName(securedName(name)))).toEqual(names);
  });

  it('have the name in use first, and leave other images alone', () => {
    expect(namesOfImage('harnesssecure/kaniko')).toEqual(['harnesssecure/kaniko', 'plugins/kaniko']);
    expect(namesOfImage('harness/ci-addon')).toEqual(['harness/ci-addon', 'harnesssecure/ci-addon']);
    expect(namesOfImage('alpine/git')).toEqual(['alpine/git']);
    expect(namesOfImage('mirror/harness/ci-addon')).toEqual(['mirror/harness/ci-addon']);
  });
});
