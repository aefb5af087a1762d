import { describe, expect, it } from '@jest/globals';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { FactoryError } from '../../functions/errors.ts';
import { formatNeeds, needsSchema, parseImageList } from '../../functions/settings/needs.ts';
import { problemsFrom } from './problems-from.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const read = (text: string) => parseImageList(text, 'images.txt');
const problemsOf = (text: string) => problemsFrom('InvalidInput', () => read(text));

describe('a list with one image on each line', () => {
  it("reads names, comments, blank lines and the line ends of Windows, as Harness's images.txt has them", () => {
    const text = [
      '# Harness 0.36.1',
      'harnesssecure/ci-addon:1.18.10',
      '',
      '  docker.io/harnesssecure/ci-addon:rootless-1.18.27   # of the delegate',
      'plugins/cache:^1',
      'harnesssecure/ci-addon:1.18.10',
      `harness/ti@${digest}`,
    ].join('\r\n');
    expect(read(text)).toEqual({
      images: [
        'harnesssecure/ci-addon:1.18.10',
        'docker.io/harnesssecure/ci-addon:rootless-1.18.27',
        'plugins/cache:^1',
        `harness/ti@${digest}`,
      ],
    });
  });

  it('names the line of every entry that is no image, the value and the reason', () => {
    expect(problemsOf('harness/ci-addon:1\nharness/CI:1\n\nhttps://x.example/a:1 # no\n')).toEqual([
      {
        path: 'images.txt:2',
        found: '"harness/CI:1"',
        allowed: 'an image name such as harness/ci-addon:1.18.27, or a comment after #',
        reason: expect.stringContaining('"CI" is not a path component'),
      },
      expect.objectContaining({ path: 'images.txt:4', reason: 'it is a URL: leave the scheme out' }),
    ]);
  });

  it.each(['', '# only a comment\n', '\n\n'])('refuses a list without an image: %j', (text) => {
    expect(problemsOf(text)).toEqual([
      { path: 'images.txt', found: 'no image', allowed: 'one image name on each line, or needs.json' },
    ]);
  });

  it('refuses more images than a run can look up', () => {
    const text = Array.from({ length: 1_001 }, (_, index) => `a/b:${index}`).join('\n');
    expect(problemsOf(text)).toEqual([
      { path: 'images.txt', found: '1001 images', allowed: 'a list of at most 1000 images' },
    ]);
  });
});

describe('needs.json', () => {
  const role = { module: 'ci', infrastructureType: 'K8', field: 'addonTag' } as const;

  it('reads what it wrote, with fields and platforms', () => {
    const images = [{ image: 'harnesssecure/ci-addon:1.18.10', roles: [role] }, { image: 'plugins/cache:1' }];
    const text = formatNeeds({ images, platforms: ['linux/amd64'], absent: [digest] });
    expect(JSON.parse(text)).toMatchObject({ schema: needsSchema, absent: [digest] });
    expect(read(text)).toEqual({ images, platforms: ['linux/amd64'] });
  });

  it('names the path of every problem', () => {
    const images = [{ image: 'harness/CI' }, { image: 'a/b', roles: [{ ...role, module: 'cd' }] }];
    expect(
      problemsOf(JSON.stringify({ schema: needsSchema, images, platforms: ['x'] })).map(({ path }) => path),
    ).toEqual(['images.txt $.images[0].image', 'images.txt $.images[1].roles[0].module', 'images.txt $.platforms[0]']);
  });

  it('refuses one of a newer factory, and says so', () => {
    const newer = JSON.stringify({ schema: 'harness-ci-image-factory/needs/v2', images: 5 });
    expect(() => read(newer)).toThrow(
      new FactoryError(
        'InvalidInput',
        'images.txt has the schema "harness-ci-image-factory/needs/v2": it was made by a newer factory',
        { hint: '' },
      ),
    );
  });

  it.each(['{', '[1, 2', '{"schema": }'])('refuses text that is not JSON: %j', (text) => {
    expect(() => read(text)).toThrow(/^images\.txt is not JSON: /);
  });

  it('refuses a document of another kind', () => {
    expect(problemsOf('{"images": ["a/b:1"]}')[0]).toMatchObject({ path: 'images.txt $.schema', found: 'nothing' });
  });
});
