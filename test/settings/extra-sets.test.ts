import { describe, expect, it } from '@jest/globals';
import { formatExtraImage, parseExtraImage } from '../../functions/settings/extra-image.ts';
import { extraSetNames, imagesOfSets, listOf } from '../../functions/settings/extra-sets.ts';
import { fieldSetNames } from '../../functions/settings/field-sets.ts';
import { imagesOf } from '../../infra/local/embedded/harness-api/defaults.ts';
import { officialDefaults } from '../../infra/local/embedded/harness-api/profiles.ts';

describe.each(extraSetNames)('the set %s', (set) => {
  const { asOf, source, images } = listOf(set);

  it('has the day of its list, and public pages as sources', () => {
    expect(asOf).toMatch(/^20\d\d-\d\d-\d\d$/);
    expect(Number.isNaN(Date.parse(asOf))).toBe(false);
    expect(source.length).toBeGreaterThan(0);
    for (const url of source) expect(url).toMatch(/^https:\/\/(?:developer\.harness\.io|github\.com\/harness)\//);
  });

  it('lists each image once, in order, with a tag or a range', () => {
    const names = images.map((image) => {
      const parsed = parseExtraImage(image);
      expect(formatExtraImage(parsed)).toBe(image);
      expect([parsed.tag ?? parsed.range?.text, parsed.registry, parsed.digest]).toEqual([
        expect.stringMatching(/./),
        undefined,
        undefined,
      ]);
      expect(parsed.repository).toMatch(/^(?:harness|plugins)\/[^/]+$/);
      return image;
    });
    expect(names).toEqual([...new Set(names)].toSorted());
  });
});

describe('the sets of images', () => {
  it('list no moving image that a field of Harness names', () => {
    const named = new Set(imagesOf(officialDefaults()).map((image) => parseExtraImage(image).repository));
    const moving = imagesOfSets(['ci-plugins', 'sto-scanners', 'delegate']);
    const twice = moving.filter(({ image }) => named.has(image.repository)).map(({ image }) => image.repository);
    // Database DevOps names it too, and only accounts with that module have the field.
    expect(twice).toEqual(['plugins/download-artifactory']);
  });

  it('have other names than the sets of fields', () => {
    expect(extraSetNames.filter((name) => (fieldSetNames as string[]).includes(name))).toEqual([]);
  });
});
