import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { checkCopies } from '../../functions/plan/limits.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const page = read('docs/scale.md');

describe('the page on scale', () => {
  it.each([
    ['copies', undefined, /^## More than ([\d,]+) copies$/m],
    ['builds', 'arn:aws:states:eu-west-1:123456789012:stateMachine:builder', /the bound is ([\d,]+) images/],
  ])('has the limit of %s that the plan enforces', (_, template, place) => {
    const [, text = ''] = place.exec(page) ?? [];
    const most = Number(text.replaceAll(',', ''));
    const images = (count: number) => [Array.from({ length: count }, (_image, index) => index)];
    expect(() => checkCopies(images(most), template)).not.toThrow();
    expect(() => checkCopies(images(most + 1), template)).toThrow(`at most ${most}`);
  });

  it('has a link in the README', () => {
    expect(read('README.md')).toContain('](docs/scale.md)');
  });
});
