import { describe, expect, it } from '@jest/globals';
import { connectorRegistry, resolveImage } from '../../functions/harness/image-resolution.ts';

const ecr = '123456789012.dkr.ecr.us-east-1.amazonaws.com';

describe('the image of a pod', () => {
  it.each([
    // The connector is for the registry: as written.
    [`${ecr}/p/harness/ci-addon:1`, `https://${ecr}`, `${ecr}/p/harness/ci-addon:1`],
    [`${ecr}/p/harness/ci-addon:1`, 'https://index.docker.io/v2/', `${ecr}/p/harness/ci-addon:1`],
    [`${ecr}/p/harness/ci-addon:1`, 'https://registry.hub.docker.com', `${ecr}/p/harness/ci-addon:1`],
    [
      `${ecr}/p/harness/ci-addon:1`,
      'https://us-docker.pkg.dev/gar-prod-setup/harness-public',
      `us-docker.pkg.dev/gar-prod-setup/harness-public/${ecr}/p/harness/ci-addon:1`,
    ],
    ['harness/ci-addon:1', 'https://acme.jfrog.io/docker-local', 'acme.jfrog.io/docker-local/harness/ci-addon:1'],
    ['harness/ci-addon:1', 'https://acme.jfrog.io/v2/', 'acme.jfrog.io/v2/harness/ci-addon:1'],
    [
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
      'https://acme.jfrog.io',
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
    ],
    [
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
      'https://acme.jfrog.io/v2/',
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
    ],
    [
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
      'https://acme.jfrog.io/other?a=b',
      'acme.jfrog.io/docker-local/harness/ci-addon:1',
    ],
    // A port is part of the host, and only when it is written.
    ['reg.example:5000/harness/x:1', 'https://reg.example:5000', 'reg.example:5000/harness/x:1'],
    ['reg.example:5000/harness/x:1', 'https://reg.example', 'reg.example:5000/harness/x:1'],
    ['reg.example/harness/x:1', 'https://reg.example:5000/', 'reg.example:5000/reg.example/harness/x:1'],
    ['reg.example/harness/x:1', 'https://reg.example:443', 'reg.example:443/reg.example/harness/x:1'],
    ['reg.example/harness/x:1', 'https://reg.example:/', 'reg.example/harness/x:1'],
    // A host is compared letter by letter, and anywhere in the name.
    ['reg.example/harness/x:1', 'https://Reg.example', 'Reg.example/reg.example/harness/x:1'],
    ['my-reg.example/harness/x:1', 'https://reg.example', 'my-reg.example/harness/x:1'],
    ['reg.example/harness/x:1', 'HTTPS://user:secret@reg.example/a//?b#c', 'reg.example/harness/x:1'],
    ['harness/x:1', 'http://user@reg.example/a//?b#c', 'reg.example/a/harness/x:1'],
    ['[::1]:5000/harness/x:1', 'http://[::1]:5000', '[::1]:5000/harness/x:1'],
    ['harness/x@sha256:1', 'https://reg.example', 'reg.example/harness/x@sha256:1'],
  ])('resolves %s through %s to %s', (image, url, pulled) => {
    expect(resolveImage(image, url)).toBe(pulled);
  });

  it.each([
    '',
    'reg.example',
    'reg.example:5000/a',
    'oci://reg.example',
    'https:reg.example',
    'https://reg.example:port',
  ])('resolves no image through "%s", which Harness cannot parse', (url) => {
    expect(resolveImage('reg.example/harness/x:1', url)).toBeUndefined();
    expect(connectorRegistry(url)).toBeUndefined();
  });
});

it.each([
  ['https://index.docker.io/v2/', 'docker.io'],
  ['https://registry.hub.docker.com', 'docker.io'],
  ['https://reg.example:5000/v2/', 'reg.example:5000'],
])('%s holds the credentials of %s', (url, registry) => {
  expect(connectorRegistry(url)).toBe(registry);
});
