import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isLoopback } from '../../../functions/http/host-patterns.ts';
import { digestOf } from '../../../functions/oci/spec/digest.ts';
import {
  atDockerHub,
  formatLocation,
  formatReference,
  isInside,
  isRepositoryName,
  isTag,
  parseImageName,
  parseReference,
  parseRegistryLocation,
  relocate,
  tagOrDigest,
} from '../../../functions/oci/spec/reference.ts';
import { TextSyntaxError } from '../../../functions/text/text-syntax-error.ts';

const sha256 = digestOf(Buffer.from('content'));
const sha512 = `sha512:${'0f'.repeat(64)}`;

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const separator = fc.constantFrom('.', '_', '__', '-', '---');
const component = fc
  .tuple(word, fc.array(fc.tuple(separator, word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.flat().join(''));
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((components) => components.join('/'));
const port = fc.option(fc.integer({ min: 1, max: 65_535 }));
const hostName = fc.oneof(
  fc.tuple(word, word).map(([a, b]) => `r${a}.${b}z`),
  fc.constantFrom('localhost', '127.0.0.1', '[::1]', '[2001:db8::7]', 'xn--bcher-kva.example'),
);
const registry = fc.tuple(hostName, port).map(([name, number]) => (number === null ? name : `${name}:${number}`));
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/);
const digest = fc.constantFrom(sha256, sha512);

describe('an image name', () => {
  it.each([
    ['harness/ci-addon:1.18.22', { registry: undefined, repository: 'harness/ci-addon', tag: '1.18.22' }],
    ['alpine', { registry: undefined, repository: 'alpine', tag: undefined }],
    ['localhost/a', { registry: 'localhost', repository: 'a' }],
    ['host:5000/a/b:v1', { registry: 'host:5000', repository: 'a/b', tag: 'v1' }],
    ['[::1]:5000/a', { registry: '[::1]:5000', repository: 'a' }],
    ['[2001:db8::7]/a', { registry: '[2001:db8::7]', repository: 'a' }],
    ['Registry.Example.COM/a', { registry: 'registry.example.com', repository: 'a' }],
    [`a@${sha256}`, { repository: 'a', tag: undefined, digest: sha256 }],
    [`r.io/a:1@${sha512}`, { registry: 'r.io', tag: '1', digest: sha512 }],
    ['r.io/a__b/c-d.e---f', { repository: 'a__b/c-d.e---f' }],
  ])('parses %s', (text, expected) => {
    expect(parseImageName(text)).toMatchObject(expected);
  });

  it.each([
    ['', 'empty'],
    ['https://r.io/a', 'URL'],
    ['ada:horse@r.io/a', 'credentials'],
    ['r.io/a b', 'space'],
    ['r.io/a\u0000', 'control'],
    ['r.io/a\n', 'control'],
    ['r.io/а', 'ASCII'],
    ['r.io/a\u202eb', 'ASCII'],
    ['r.io/../a', 'path component'],
    ['r.io/a/..', 'path component'],
    ['r.io//a', 'path component'],
    ['r.io/a/', 'path component'],
    ['/a', 'path component'],
    ['r.io/', 'path component'],
    ['r.io/A', 'path component'],
    ['r.io/a..b', 'path component'],
    ['r.io/a___b', 'path component'],
    ['r.io/-a', 'path component'],
    ['r.io/%2e%2e/a', 'path component'],
    ['r.io/a?x=y', 'path component'],
    ['r.io/a#x', 'path component'],
    ['r.io/a:', 'not a tag'],
    ['r.io/a:.b', 'not a tag'],
    [`r.io/a:${'t'.repeat(129)}`, 'not a tag'],
    ['r.io:0/a', 'port'],
    ['r.io:65536/a', 'port'],
    ['r.io:x/a', 'registry host'],
    ['r.io:/a', 'registry host'],
    ['256.1.1.1/a', 'registry host'],
    ['[:]/a', 'registry host'],
    ['[1.2.3.4]/a', 'registry host'],
    ['r..io/a', 'registry host'],
    ['-r.io/a', 'registry host'],
    ['a@sha256:abc', 'not a digest'],
    [`a@sha256:${'0'.repeat(63)}`, 'not a digest'],
    [`a@sha256:${'0'.repeat(65)}`, 'not a digest'],
    [`a@sha256:${'A'.repeat(64)}`, 'not a digest'],
    [`a@sha512:${'0'.repeat(64)}`, 'not a digest'],
    [`a@md5:${'0'.repeat(32)}`, 'not a digest'],
    [`a@${sha256}@${sha256}`, 'more than one'],
    ['a'.repeat(256), '255'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseImageName(text)).toThrow(TextSyntaxError);
    expect(() => parseImageName(text)).toThrow(why);
  });

  it('accepts a name of 255 characters', () => {
    expect(parseImageName(`r.io/${'a'.repeat(255)}:t`).repository).toHaveLength(255);
  });

  it('survives formatting and parsing', () => {
    const name = fc.record({
      registry: fc.option(registry, { nil: undefined }),
      // Without a registry the first component must not look like one.
      repository: repository.filter((path) => !/^(localhost|[^/]*\.[^/]*)\//.test(path)),
      tag: fc.option(tag, { nil: undefined }),
      digest: fc.option(digest, { nil: undefined }),
    });
    fc.assert(
      fc.property(name, (image) => {
        expect(parseImageName(formatReference(image as never))).toEqual(image);
      }),
    );
  });

  it('parses or refuses any text, and never leaves its path', () => {
    const wild = fc.oneof(fc.string(), fc.stringMatching(/^[a.:/@[\]_%A0 -]{0,40}$/));
    fc.assert(
      fc.property(wild, (text) => {
        try {
          const image = parseImageName(text);
          expect(isRepositoryName(image.repository)).toBe(true);
          const url = new URL(`/v2/${image.repository}/manifests/${tagOrDigest(image)}`, 'https://r.io');
          expect(url.pathname).toBe(`/v2/${image.repository}/manifests/${tagOrDigest(image)}`);
          if (image.registry !== undefined) expect(new URL(`https://${image.registry}`).username).toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(TextSyntaxError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('prefers the digest to the tag, and defaults to latest', () => {
    expect(tagOrDigest(parseImageName(`a:1@${sha256}`))).toBe(sha256);
    expect(tagOrDigest(parseImageName('a:1'))).toBe('1');
    expect(tagOrDigest(parseImageName('a'))).toBe('latest');
  });
});

describe('a reference', () => {
  it.each(['r.io/a', 'localhost/a/b:1', 'host:5000/a:1', `r.io/a:1@${sha256}`])(
    'parses %s like an image name',
    (text) => {
      expect(parseReference(text)).toEqual(parseImageName(text));
    },
  );

  it.each(['alpine', 'harness/ci-addon:1', `mirror/harness/a@${sha256}`])(
    'refuses %s, which names no registry',
    (text) => {
      expect(() => parseReference(text)).toThrow(
        new TextSyntaxError(`"${text}" does not name a registry (host[:port]/path)`),
      );
    },
  );

  it('refuses an invalid image name', () => {
    expect(() => parseReference('r.io/A')).toThrow('path component');
  });
});

describe('a registry location', () => {
  it.each([
    ['r.io', { registry: 'r.io', prefix: '' }],
    ['r.io/', { registry: 'r.io', prefix: '' }],
    ['HOST:443/a/b//', { registry: 'host:443', prefix: 'a/b' }],
    ['mirror', { registry: 'mirror', prefix: '' }],
    ['[::1]:5000/a', { registry: '[::1]:5000', prefix: 'a' }],
  ])('parses %s', (text, expected) => {
    expect(parseRegistryLocation(text)).toEqual(expected);
  });

  it.each(['', '/', 'r.io/A', 'r.io/../x', 'http://r.io', 'u:p@r.io', 'u@r.io/a', 'r.io:99999', 'r.io/a:1', 'r io'])(
    'refuses %j as a registry location',
    (text) => {
      expect(() => parseRegistryLocation(text)).toThrow(TextSyntaxError);
    },
  );

  it('survives formatting and parsing', () => {
    const location = fc.record({ registry, prefix: fc.oneof(fc.constant(''), repository) });
    fc.assert(fc.property(location, (l) => expect(parseRegistryLocation(formatLocation(l))).toEqual(l)));
  });

  it('relocates an image with its name and tag, and contains it afterwards', () => {
    const location = parseRegistryLocation('mirror.example:5000/ours');
    const moved = relocate(parseImageName('harness/ci-addon:1'), location);
    expect(formatReference(moved)).toBe('mirror.example:5000/ours/harness/ci-addon:1');
    expect(isInside(moved, location)).toBe(true);
    expect(isInside(parseImageName('mirror.example:5000/ours-too/a:1'), location)).toBe(false);
    expect(isInside(parseImageName('harness/ci-addon:1'), location)).toBe(false);
  });
});

it.each(['localhost', 'localhost:5000', '127.0.0.1', '127.8.9.1:80', '[::1]', '[::1]:5000'])(
  'recognizes %s as this machine',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

it.each(['localhost.evil.io', '127.0.0.1.evil.io', '128.0.0.1', '[::2]:1', 'r.io'])(
  'recognizes %s as another machine',
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);

it.each(['', '.a', '-a', 'a b', 'a/b', 'a:b', 'a\n', 'ä', 'a'.repeat(129)])('refuses the tag %j', (text) => {
  expect(isTag(text)).toBe(false);
});

it.each([
  ['docker.io', 'alpine', 'library/alpine'],
  ['index.docker.io', 'docker', 'library/docker'],
  ['registry-1.docker.io', 'alpine', 'library/alpine'],
  ['docker.io', 'library/alpine', 'library/alpine'],
  ['docker.io', 'harness/ci-addon', 'harness/ci-addon'],
  ['docker.io', 'library/harness/ci-addon', 'harness/ci-addon'],
  ['registry.example.com', 'alpine', 'alpine'],
  ['registry.example.com', 'library/harness/ci-addon', 'library/harness/ci-addon'],
])('looks at %s for the image %s in the repository %s', (registry, repository, expected) => {
  const reference = { registry, repository, tag: '1', digest: undefined };
  expect(atDockerHub(reference)).toEqual({ ...reference, repository: expected });
});
