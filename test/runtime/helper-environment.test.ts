import { expect, it } from '@jest/globals';
import { helperEnvironment } from '../../functions/runtime/helper-environment.ts';

it('gives a credential helper the variables that it may need, but no secrets of the factory', () => {
  const needed = { HTTPS_PROXY: 'http://proxy:1', AWS_PROFILE: 'prod' };
  const secrets = { HARNESS_API_KEY: 'pat.a.b.Kept-Secret ', harness_other: 'x', DOCKER_AUTH_CONFIG: '{}' };
  const copies = { COPIED_KEY: 'key=pat.a.b.Kept-Secret' };
  expect(helperEnvironment({ ...needed, ...secrets, ...copies })).toEqual(needed);
});
