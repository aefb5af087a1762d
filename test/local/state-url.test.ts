import { describe, expect, it } from '@jest/globals';
import { isUrl, parseStateUrl } from '../../infra/local/state-url.ts';

describe('the address of a state', () => {
  it.each([
    ['s3://state', { bucket: 'state', prefix: '' }],
    ['s3://state/', { bucket: 'state', prefix: '' }],
    ['S3://state.example-1/ci', { bucket: 'state.example-1', prefix: 'ci/' }],
    ["s3://state/Team_1/c.i/!'()%/", { bucket: 'state', prefix: "Team_1/c.i/!'()%/" }],
  ])('%s is a bucket, and a prefix with a slash at its end', (url, parsed) => {
    expect(isUrl(url)).toBe(true);
    expect(parseStateUrl(url)).toEqual(parsed);
  });

  it.each([
    ['s3:state', 'the state is a folder or an address with s3://'],
    ['s3:/state', 'the state is a folder or an address with s3://'],
    ['gs://state', 'the state is a folder or an address with s3://'],
    ['arn:aws:s3:::state/ci', 'the state is a folder or an address with s3://'],
    ['https://state.s3.eu-west-1.amazonaws.com/ci', 'the state is a folder or an address with s3://'],
    ['s3://', 'the name of the bucket is missing'],
    ['s3:///ci', 'the name of the bucket is missing'],
    ['s3://State', '"State" cannot be the name of a bucket'],
    ['s3://st', '"st" cannot be the name of a bucket'],
    ['s3://sta..te', '"sta..te" cannot be the name of a bucket'],
    ['s3://user@state', '"user@state" cannot be the name of a bucket'],
    ['s3://state?region=x', '"state?region=x" cannot be the name of a bucket'],
    ['s3://state//ci', 'the prefix has an empty part'],
    ['s3://state/ci//', 'the prefix has an empty part'],
    ['s3://state/../ci', 'the prefix has the part ".."'],
    ['s3://state/a b', 'the prefix has the part "a b"'],
  ])('refuses %s', (url, reason) => {
    expect(isUrl(url)).toBe(true);
    expect(() => parseStateUrl(url)).toThrow(
      expect.objectContaining({
        name: 'InvalidConfiguration',
        message: `--state ${url}: ${reason}`,
        hint: expect.stringContaining('s3://BUCKET/PREFIX'),
      }),
    );
  });

  it.each(['state', '/var/lib/factory', './s3', 'C:\\state', 'C:/state', 'a:b'])('%s is a folder', (place) => {
    expect(isUrl(place)).toBe(false);
  });
});
