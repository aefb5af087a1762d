import { describe, expect, it } from '@jest/globals';
import { parseImageName } from '../../functions/oci/reference.ts';
import { checkCopies, checkTargetNames } from '../../functions/plan/limits.ts';

const images = ['harness/ci-addon:1.18.22', 'plugins/cache:1'].map(parseImageName);
const longest = 'harness/ci-addon'.length;
const location = (length: number) => ({ registry: 'registry.acme.com:5000', prefix: 'p'.repeat(length) });

describe('the names of repositories at the target', () => {
  it('may have 255 characters with the prefix', () => {
    expect(() => checkTargetNames(images, location(255 - longest - 1))).not.toThrow();
    expect(() => checkTargetNames(images, { registry: 'registry.acme.com', prefix: '' })).not.toThrow();
    expect(() => checkTargetNames([], location(255))).not.toThrow();
  });

  it('of more are refused before anything is asked, with where that is set and how short it must be', () => {
    const long = location(255 - longest + 2);
    expect(() => checkTargetNames(images, long)).toThrow(
      expect.objectContaining({
        name: 'InvalidInput',
        hint: expect.stringContaining('Take 3 characters off the prefix'),
        problems: [
          {
            path: '$.registry',
            found: `${long.registry}/${long.prefix}`,
            allowed: `a prefix of at most ${255 - longest - 1} characters`,
          },
        ],
      }),
    );
  });
});

describe('the copies of a run', () => {
  const wave = (size: number) => Array.from({ length: size }, (_, i) => i);
  it('are at most 1000, over all waves', () => {
    expect(() => checkCopies([wave(400), wave(600)])).not.toThrow();
    expect(() => checkCopies([wave(400), wave(601)])).toThrow(
      expect.objectContaining({ name: 'InvalidInput', message: expect.stringContaining('1001 images') }),
    );
  });
});
