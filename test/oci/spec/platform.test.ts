import { describe, expect, it } from '@jest/globals';
import { formatPlatform, parsePlatform, platformMatches } from '../../../functions/oci/spec/platform.ts';
import { TextSyntaxError } from '../../../functions/text/text-syntax-error.ts';

describe('a platform', () => {
  it.each(['linux/amd64', 'linux/arm/v7', 'windows/amd64', 'linux/riscv64'])(
    'parses and formats the platform %s',
    (text) => {
      expect(formatPlatform(parsePlatform(text))).toBe(text);
    },
  );

  it.each(['', 'linux', 'linux/', '/amd64', 'linux/amd64/', 'linux/arm/v7/x', 'Linux/amd64', 'linux/amd 64', '../x'])(
    '%j is refused',
    (text) => {
      expect(() => parsePlatform(text)).toThrow(TextSyntaxError);
    },
  );

  it.each([
    ['linux/amd64', 'linux/amd64', true],
    ['linux/arm', 'linux/arm/v6', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm/v7', 'linux/arm', true],
    ['linux/arm/v6', 'linux/arm', false],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/amd64', 'linux/arm64', false],
    ['linux/amd64/v3', 'linux/amd64', false],
  ])('matches the wanted platform %s with the offered %s: %p', (wanted, offered, matches) => {
    expect(platformMatches(parsePlatform(wanted), parsePlatform(offered))).toBe(matches);
  });
});
