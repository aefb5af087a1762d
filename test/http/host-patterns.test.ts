import { describe, expect, it } from '@jest/globals';
import { matchesHost } from '../../functions/http/host-patterns.ts';

const matches = (url: string, ...patterns: string[]) => matchesHost(new URL(url), patterns);

describe('a list of hosts', () => {
  it.each([
    ['*', 'https://a.example'],
    ['a.example', 'https://a.example'],
    ['A.Example', 'https://a.example'],
    ['a.example', 'https://a.example.'],
    ['example', 'https://b.a.example'],
    ['.example', 'https://a.example'],
    ['*.example', 'https://a.example'],
    ['a.example:5000', 'https://a.example:5000'],
    ['a.example:443', 'https://a.example'],
    ['a.example:80', 'http://a.example'],
    ['10.1.2.3', 'http://10.1.2.3:5000'],
    ['10.1.2.3:5000', 'http://10.1.2.3:5000'],
    ['10.0.0.0/8', 'http://10.1.2.3'],
    ['fd00::1', 'http://[fd00::1]:5000'],
    ['[fd00::1]:5000', 'http://[fd00::1]:5000'],
    ['fd00::/8', 'http://[fd12::1]'],
    ['fd00:0:0:0:0:0:0:1', 'http://[fd00::1]:5000'],
    ['[FD00:0::0001]:5000', 'http://[fd00::1]:5000'],
    ['::ffff:10.0.0.1', 'http://[::ffff:10.0.0.1]'],
  ])('%p holds %s', (pattern, url) => {
    expect(matches(url, 'other.example', pattern)).toBe(true);
  });

  it.each([
    ['', 'https://a.example'],
    ['a.example', 'https://ba.example'],
    ['.a.example', 'https://a.example'],
    ['a.example:5000', 'https://a.example'],
    ['2.3', 'http://10.1.2.3'],
    ['.2.3', 'http://10.1.2.3'],
    ['10.1.2.3', 'http://10.1.2.30'],
    ['10.0.0.0/8', 'http://11.0.0.1'],
    ['10.0.0.0/8', 'http://[::1]'],
    ['10.0.0.0/8', 'https://a.example'],
    ['10.0.0.0/33', 'http://10.0.0.1'],
    ['10.0.0.0/x', 'http://10.0.0.1'],
    ['a.example/8', 'https://a.example'],
  ])('%p does not hold %s', (pattern, url) => {
    expect(matches(url, pattern)).toBe(false);
  });
});
