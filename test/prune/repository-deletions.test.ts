import { describe, expect, it } from '@jest/globals';
import type { Digest } from '../../functions/oci/spec/digest.ts';
import { repositoryDeletions } from '../../functions/prune/repository-deletions.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const [a, b, index] = [digest('a'), digest('b'), digest('c')];

/** Decides about copies of a repository where `index` leads to `a`. */
async function decide(copies: [string | undefined, Digest][], tags: Record<string, Digest>, inUse: Digest[] = []) {
  const deletions = await repositoryDeletions(
    copies.map(([tag, of]) => ({ tag, digest: of })),
    {
      tags: new Map(Object.entries(tags)),
      inUse: new Set(inUse),
      below: async (roots) => new Set([...roots].flatMap((root) => (root === index ? [index, a] : [root]))),
    },
  );
  return deletions.map(([, deletion]) => deletion);
}

const leadsOn = { delete: 'nothing', reason: 'an image that is kept refers to it', isGone: false };

describe('the deletions of a repository', () => {
  it('delete the digest when its tag is the only one', async () => {
    expect(await decide([['1', a]], { 1: a, 2: b })).toEqual([{ delete: 'digest', tags: ['1'] }]);
  });

  it('delete the digest when all its tags belong to unused copies', async () => {
    const both = { delete: 'digest', tags: ['1', '2'] };
    expect(await decide([['1', a], ['2', a]], { 1: a, 2: a, 3: b })).toEqual([both, both]); // prettier-ignore
  });

  it('delete the tag alone when another tag has the digest', async () => {
    expect(await decide([['1', a]], { 1: a, 2: a, theirs: a })).toEqual([
      { delete: 'tag', tag: '1', others: ['2', 'theirs'] },
    ]);
  });

  it.each([
    ['a tag outside the inventory names an index that leads to it', { 1: a, theirs: index }, []],
    ['an index in use leads to it', { 1: a }, [index]],
    ['it is in use by its digest', { 1: a }, [a]],
  ])('delete nothing while %s', async (_, tags, inUse) => {
    expect(await decide([['1', a]], tags, inUse)).toEqual([leadsOn]);
  });

  it('delete an index together with a child that had a tag of its own', async () => {
    expect(
      await decide(
        [
          ['1', index],
          ['2', a],
        ],
        { 1: index, 2: a },
      ),
    ).toEqual([
      // prettier-ignore
      { delete: 'digest', tags: ['1'] },
      { delete: 'digest', tags: ['2'] },
    ]);
  });

  it('leave a tag that points at another image by now, and what it points at', async () => {
    expect(
      await decide(
        [
          ['1', a],
          ['2', b],
        ],
        { 1: b, 2: b },
      ),
    ).toEqual([
      // prettier-ignore
      { delete: 'digest', tags: [] },
      { delete: 'tag', tag: '2', others: ['1'] },
    ]);
    expect(await decide([['1', a]], { 1: b, 2: a })).toEqual([
      { delete: 'nothing', reason: 'its tag now points at another image', isGone: true },
    ]);
  });

  it('delete a copy without a tag only when no tag has its digest', async () => {
    expect(await decide([[undefined, a]], { 2: b })).toEqual([{ delete: 'digest', tags: [] }]);
    expect(await decide([[undefined, a]], { theirs: a })).toEqual([
      { delete: 'nothing', reason: 'the tag theirs has the same digest', isGone: false },
    ]);
    expect(await decide([[undefined, a]], {}, [index])).toEqual([leadsOn]);
  });
});
