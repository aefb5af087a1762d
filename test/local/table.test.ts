import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { cutMiddle, table, widthOf, wrap } from '../../infra/local/table.ts';

/** Names as registries and people write them: long, with wide characters, accents and emoji. */
const name = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.constantFrom('registry.example.com/harness-mirror/harness/ci-addon:1.18.22', '漢字のイメージ/名前:最新', '👩‍👩‍👧‍👦é'),
);

describe('a table', () => {
  it('never has a row that is wider than the screen', () => {
    const lines = fc.array(fc.tuple(name, name, name), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 40, max: 200 }), (cells, columns) => {
        expect(widthOf(table(['Image', 'Status', 'Fields'], cells, { columns }))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('stays whole where no width is known', () => {
    const long = `registry.example.com/${'x'.repeat(400)}:1`;
    expect(table(['Image', 'Status'], [[long, 'copied']])).toBe(
      `Image${' '.repeat(long.length - 3)}Status\n${long}  copied`,
    );
  });

  it('shortens the longest cells in the middle, and leaves short ones whole', () => {
    const lines = [['registry.example.com/mirror/harness/ci-addon:1.18.22', 'copied', '663 kB']];
    expect(table(['Image', 'Status', 'Size'], lines, { columns: 40 })).toBe(
      'Image                     Status  Size\nregistry.ex…ddon:1.18.22  copied  663 kB',
    );
  });

  it('takes the shorter text of a cell only where the whole one does not fit', () => {
    const cell = { full: 'registry.example.com/mirror/harness/ci-addon:1.18.22', short: '…/ci-addon:1.18.22' };
    expect(table(['Image'], [[cell]], { columns: 60 })).toBe(`Image\n${cell.full}`);
    expect(table(['Image'], [[cell]], { columns: 40 })).toBe(`Image\n${cell.short}`);
  });

  it('aligns wide characters by their width on the screen', () => {
    const [, wide = '', narrow = ''] = table(
      ['A', 'B'],
      [
        ['漢字', 'x'],
        ['ab', 'y'],
      ],
    ).split('\n');
    expect([wide, narrow]).toEqual(['漢字  x', 'ab    y']);
  });

  it('says how many rows it leaves out', () => {
    expect(table(['A'], [['1'], ['2'], ['3']], { rows: 1 })).toBe('A\n1\n… and 2 more');
  });
});

describe('a text that is cut in the middle', () => {
  it('keeps its beginning and its end, and fills the width', () => {
    expect(cutMiddle('registry.example.com/harness/ci-addon:1.18.22', 24)).toBe('registry.ex…ddon:1.18.22');
  });

  it('never exceeds the width or cuts a character in two', () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 2, max: 60 }), (text, width) => {
        const cut = cutMiddle(text, width);
        expect(stringWidth(cut)).toBeLessThanOrEqual(Math.max(width, 0));
        expect(cut).toBe(cut.toWellFormed());
      }),
    );
  });
});

describe('a wrapped text', () => {
  it('breaks between words, and keeps the indent', () => {
    expect(wrap('  one two three four', 12)).toBe('  one two\n  three four');
  });

  it('keeps a word that is wider than the screen whole, to be copied', () => {
    const address = 'https://registry.example.com/a/very/long/address';
    expect(wrap(`see ${address} now`, 20)).toBe(`see\n${address}\nnow`);
  });

  it('stays as it is where no width is known', () => {
    const text = `Warning: ${'word '.repeat(100)}end`;
    expect(wrap(text)).toBe(text);
  });
});
