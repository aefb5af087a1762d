import { expect, it } from '@jest/globals';
import { nearest } from '../../functions/text/nearest.ts';

const names = ['gar', 'ecr-public', 'dockerhub', 'harness/ci-addon', 'harness/ci-lite-engine'];

it.each([
  ['GAR', ['gar']],
  ['docker-hub', ['dockerhub']],
  ['dockrhub', ['dockerhub']],
  ['ECR Public', ['ecr-public']],
  ['harness/ci-adon', ['harness/ci-addon']],
  ['harness/ci_lite_engine', ['harness/ci-lite-engine']],
  ['quay', []],
  ['', []],
  ['x'.repeat(100_000), []],
])('nearest to %j is %j', (name, found) => {
  expect(nearest(name, names)).toEqual(found);
});

it('lists the nearest name first, up to the limit', () => {
  expect(
    nearest('plugins/cache', ['plugins/caches3', 'plugins/cache1', 'plugins/cached2', 'plugins/cache'], 2),
  ).toEqual(['plugins/cache', 'plugins/cache1']);
});
