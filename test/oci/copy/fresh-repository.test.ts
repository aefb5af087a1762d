import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import { type Registry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, copy, count, disconnect, expectWhole } from '../connect.ts';
import { storedImage } from '../stored-images.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

let source: Registry;
let target: Registry;
beforeAll(async () => {
  [source, target] = await Promise.all([startRegistry(), startRegistry()]);
});
afterEach(async () => {
  target.requests.length = 0;
  await disconnect();
});
afterAll(() => Promise.all([source.close(), target.close()]));

it.each([
  [true, 0],
  [false, 3],
])('a repository that was made a moment ago (%s) is not looked through for blobs', async (fresh, looks) => {
  const image = storedImage([Buffer.from(`one ${fresh}`), Buffer.from(`two ${fresh}`)]);
  source.storage.putImage('a', '1', image);
  const ecr = { ...profileOf('123456789012.dkr.ecr.eu-west-1.amazonaws.com') };
  const destination = new Repository(connect(target.host, { profile: ecr }), `b-${fresh}`);
  await copy(new Repository(connect(source.host), 'a'), '1', destination, { fresh });
  expect(count(target, 'HEAD', /\/blobs\//)).toBe(looks);
  expectWhole(target, `b-${fresh}`, image);
});
