import { describe, expect, it } from '@jest/globals';
import { compareTags, describeLag } from '../../../functions/oci/spec/tag-order.ts';

describe('the order of tags', () => {
  it.each([
    ['1.18.9', '1.18.10'],
    ['1.18', '1.18.1'],
    ['1.9', '2'],
    ['rootless-1.18.22', 'rootless-1.18.23'],
    ['1.7.25-rootless', '1.8.0-rootless'],
    ['1.18.0-4.33-mongo', '1.18.0-4.34-mongo'],
    ['v1.2', 'v1.10'],
  ])('puts %s before %s', (older, newer) => {
    expect(compareTags(older, newer)).toBeLessThan(0);
    expect(compareTags(newer, older)).toBeGreaterThan(0);
  });

  it.each([
    ['1.18', '1.18.0'],
    ['1.2.3', '1.2.3'],
  ])('counts %s and %s as one version', (a, b) => {
    expect(compareTags(a, b)).toBe(0);
  });

  it.each([
    ['latest', 'latest'],
    ['latest', '1.2.3'],
    ['1.7.25', '1.7.25-rootless'],
    ['rootless-1.18.22', '1.18.22'],
  ])('does not compare %s with %s', (a, b) => {
    expect(compareTags(a, b)).toBeUndefined();
  });
});

describe('the lag of a tag', () => {
  it.each([
    ['1.18.26', '1.18.27', '1 patch version'],
    ['1.16.30', '1.18.2', '2 minor versions'],
    ['1.18.2', '3.0.0', '2 major versions'],
    ['rootless-1.18.2', 'rootless-1.18.5', '3 patch versions'],
    ['1.18.0-4.33', '1.18.0-4.34', 'some versions'],
    ['20260101', '20260201', 'some versions'],
    ['1.2.3.4', '1.2.3.5', 'some versions'],
  ])('counts from %s to %s: %s', (tag, newer, lag) => {
    expect(describeLag(tag, newer)).toBe(lag);
  });

  it.each([
    ['1.18.27', '1.18.27'],
    ['1.18.28', '1.18.27'],
    ['latest', '1.18.27'],
    ['1', '1.10.12'],
    ['1.18', '1.18.27'],
    ['1.7.25', '1.7.26-rootless'],
  ])('does not exist for %s and %s', (tag, newer) => {
    expect(describeLag(tag, newer)).toBeUndefined();
  });
});
