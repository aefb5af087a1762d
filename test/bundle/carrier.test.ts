import { describe, expect, it } from '@jest/globals';
import { parseBundleAddress } from '../../functions/bundle/carrier.ts';

describe('the address of a bundle', () => {
  it.each([
    ['-', { kind: 'stream' }],
    ['/media/usb/harness', { kind: 'folder', path: '/media/usb/harness' }],
    ['harness.tar', { kind: 'tar', path: 'harness.tar' }],
    [String.raw`D:\harness.tar`, { kind: 'tar', path: String.raw`D:\harness.tar` }],
    ['s3://bundles/harness/2026.tar', { kind: 's3', bucket: 'bundles', key: 'harness/2026.tar' }],
    ['./s3:/odd', { kind: 'folder', path: './s3:/odd' }],
  ])('reads %s', (text, address) => {
    expect(parseBundleAddress(text)).toEqual(address);
  });

  it.each([
    ['', 'it is empty'],
    ['a\nb', 'it has a control character'],
    ['s3://bundles', 'it has no key (s3://BUCKET/KEY)'],
    ['s3://bundles/', 'it has no key (s3://BUCKET/KEY)'],
    ['s3://bundles/folder/', 'it has no key (s3://BUCKET/KEY)'],
    ['s3://Bundles/key', '"Bundles" is not the name of a bucket'],
    [`s3://bundles/${'k'.repeat(1_025)}`, 'its key is longer than 1024 bytes'],
    ['https://example.com/x.tar', '"https:" is neither a path nor s3://BUCKET/KEY'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseBundleAddress(text)).toThrow(reason);
  });
});
