import { expect, it } from '@jest/globals';
import { parsers } from './parsers.ts';

/** Characters of the longer of two texts; the shorter has a fourth. */
const longest = 64_000;

/**
 * Text that makes patterns go back and forth. A pattern that looks for its end from every place where it could begin
 * takes 16 times as long for four times the text; one that reads once takes four times as long.
 */
const hostile: Record<string, (length: number) => string> = {
  at: (length) => '@'.repeat(length),
  slashes: (length) => `a${'/'.repeat(length)}a`,
  'slashes at the end': (length) => `a${'/'.repeat(length)}`,
  'a URL of slashes': (length) => `https://a.example/${'/'.repeat(length)}a`,
  'a host of colons': (length) => `https://${':'.repeat(length)}`,
  'a host of hyphens': (length) => `a${'-'.repeat(length)}!`,
  'a host of dots': (length) => `${'a.'.repeat(length / 2)}!`,
  letters: (length) => `${'a'.repeat(length)}!`,
  digits: (length) => `${'1'.repeat(length)}!`,
  'digits after a colon': (length) => `:${'1'.repeat(length)}!`,
  colons: (length) => `a${':1'.repeat(length / 2)}x`,
  blanks: (length) => `a${' '.repeat(length)}b`,
  'lines of blanks': (length) => ' \n'.repeat(length / 2),
  stars: (length) => '*'.repeat(length),
  'stars and letters': (length) => '*a'.repeat(length / 2),
  braces: (length) => '{'.repeat(length),
  'brackets opened': (length) => '['.repeat(length),
  'objects opened': (length) => '{"a":'.repeat(length / 5),
  'brackets opened and closed': (length) => '['.repeat(length / 2) + ']'.repeat(length / 2),
  'angle brackets': (length) => '<'.repeat(length),
  links: (length) => '<a>; rel="prev", '.repeat(length / 17),
  'links without an end': (length) => '<a>;"'.repeat(length / 5),
  quotes: (length) => '"'.repeat(length),
  backslashes: (length) => '\\'.repeat(length),
  'an open quoted string': (length) => `Bearer a="${'\\"'.repeat(length / 2)}`,
  schemes: (length) => 'Basic '.repeat(length / 6),
  'schemes with blanks': (length) => `Bearer${' '.repeat(length)}\u0001`,
  challenges: (length) => 'Bearer a=b, '.repeat(length / 12),
  'equals signs': (length) => `Bearer a${'='.repeat(length)}\u0001`,
  commas: (length) => ','.repeat(length),
  keys: (length) => 'sat.-'.repeat(length / 5),
  'keys without an end': (length) => `sat.${'-a'.repeat(length / 2)}`,
  'tokens without an end': (length) => '-eyJabcdefghijk'.repeat(length / 15),
  'URLs with credentials': (length) => 'https://a:b@'.repeat(length / 12),
  'one long userinfo': (length) => `https://${'a:'.repeat(length / 2)}`,
  'signed addresses': (length) => 'https://a/?X-Amz-Signature=1 '.repeat(length / 29),
  'signatures alone': (length) => '?sig='.repeat(length / 5),
  controls: (length) => '\u001b['.repeat(length / 2),
  'direction marks': (length) => '\u202e'.repeat(length),
  'halves of pairs': (length) => '\ud800'.repeat(length),
  pages: (length) => '<html'.repeat(length / 5),
  dates: (length) => `Mon, ${'1 '.repeat(length / 2)}`,
  'a cron expression': (length) => `cron(${'* '.repeat(length / 2)}`,
  ranges: (length) => `bytes ${'0-'.repeat(length / 2)}`,
};

/**
 * The least time of this thread's processor over some repetitions, in milliseconds: what else it does only adds to it.
 */
function timeOf(parse: (text: string) => unknown, text: string, repetitions: number): number {
  let least = Infinity;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const since = process.threadCpuUsage();
    try {
      parse(text);
    } catch {
      // Refused, which is fine.
    }
    const { user, system } = process.threadCpuUsage(since);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** Below this, in milliseconds, a time is that of the clock and the collector; a quadratic parser is far above. */
const noise = 2;

/** Tests whether four times the text takes much more than four times the time. */
function growsTooFast(
  parse: (text: string) => unknown,
  text: (length: number) => string,
  repetitions: number,
  length = longest,
): boolean {
  const less = timeOf(parse, text(length / 4), repetitions);
  const more = timeOf(parse, text(length), repetitions);
  return more > 9 * Math.max(less, noise);
}

it.each(Object.entries(parsers))('%s takes a time that grows no faster than the text', (_, parse) => {
  const slow = Object.entries(hostile)
    .filter(([, text]) => growsTooFast(parse, text, 1))
    // Measured again, because the time may have been somebody else's.
    .filter(([, text]) => growsTooFast(parse, text, 5));
  expect(slow.map(([name]) => name)).toEqual([]);
});

it('detects a pattern that takes too long', () => {
  const text = hostile['slashes'] ?? String;
  // Shorter, for it takes a time that grows with the square.
  expect(growsTooFast((of) => /\/+$/.exec(of), text, 1, longest / 4)).toBe(true);
  expect(growsTooFast((of) => /\/+/.exec(of), text, 1)).toBe(false);
});
