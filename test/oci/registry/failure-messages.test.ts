import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../../functions/errors.ts';
import { hasBlob } from '../../../functions/oci/registry/blobs.ts';
import { getManifest, putManifest, resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import { listTags } from '../../../functions/oci/registry/tags.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { connect, disconnect, errorOf, everything } from '../connect.ts';
import { always } from '../providers.ts';
import { imageDocument, manifestOf } from '../documents.ts';

const name = 'harness/ci-addon';
const manifest = manifestOf(imageDocument());
const blob = { digest: manifest.digest, size: 1 };
let registry: EmbeddedRegistry;
let repository: Repository;

beforeAll(async () => {
  registry = await startRegistry();
  const credentials = always({ username: 'ada', password: 'hunter2-s3cret' });
  repository = new Repository(connect(registry.host, { credentials }), name);
});
afterEach(() => {
  registry.faults.clear();
});
afterAll(async () => {
  await disconnect();
  await registry.close();
});

function answer(status: number, body: unknown = '', headers: Record<string, string> = {}): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  registry.faults.add({ match: { times: 99 }, act: { status, headers, body: text } });
}

const spec = (code: string, message: string) => ({
  errors: [
    { code, message },
    { code: 'SECOND', message: 'second', detail: {} },
  ],
});
const pull = () => errorOf(getManifest(repository, '1'));
const push = () => errorOf(putManifest(repository, '1', manifest));

describe('a refusal', () => {
  it.each([
    [401, 'UNAUTHORIZED', 'RegistryUnauthorized', 'RegistryUnauthorized'],
    [403, 'DENIED', 'RegistryForbidden', 'RegistryForbidden'],
    [404, 'MANIFEST_UNKNOWN', 'ImageNotFound', 'PushRefused'],
    [404, 'NAME_UNKNOWN', 'ImageNotFound', 'PushRefused'],
    [400, 'MANIFEST_INVALID', 'RegistryFailed', 'PushRefused'],
    [400, 'ImageTagAlreadyExists', 'RegistryFailed', 'PushRefused'],
    [405, 'UNSUPPORTED', 'RegistryFailed', 'PushRefused'],
    [409, 'DENIED', 'RegistryFailed', 'PushRefused'],
    [413, 'SIZE_INVALID', 'RegistryFailed', 'PushRefused'],
    [429, 'TOOMANYREQUESTS', 'RegistryThrottled', 'RegistryThrottled'],
    [500, 'UNKNOWN', 'RegistryFailed', 'RegistryFailed'],
    [502, 'UNKNOWN', 'RegistryFailed', 'RegistryFailed'],
    [503, 'UNKNOWN', 'RegistryFailed', 'RegistryFailed'],
    [504, 'UNKNOWN', 'RegistryFailed', 'RegistryFailed'],
    [418, 'TEAPOT', 'RegistryFailed', 'PushRefused'],
  ])('%d %s of a pull is %s, of a push %s, with all the facts', async (status, code, pulling, pushing) => {
    answer(status, spec(code, 'the reason'));
    for (const [error, errorName, doing] of [
      [await pull(), pulling, 'pull manifest 1 of'],
      [await push(), pushing, 'push manifest 1 to'],
    ] as const) {
      expect(error).toMatchObject({ name: errorName, status, code: code === 'UNKNOWN' ? 'SECOND' : code });
      const reasons = `(${code}: the reason; SECOND: second)`;
      expect(error.message).toContain(`could not ${doing} ${registry.host}/${name}: HTTP ${status} ${reasons}`);
      expect(error['hint']).toMatch(/^[ -~]{20,220}$/);
    }
  });

  it('says how to create a missing repository', async () => {
    answer(404, spec('NAME_UNKNOWN', 'no such repository'));
    expect((await push())['hint']).toContain(`Create the repository ${name}`);
  });

  it.each([
    ['plain text', 'You have reached your pull rate limit.', ' (You have reached your pull rate limit.)'],
    ['a web page', '<!DOCTYPE html><html><body>busy</body></html>', ' (a web page)'],
    ['nothing', '', ''],
    ['JSON of another shape', '{"message":"no"}', ' (no)'],
    ['a list that is none', '{"errors":{"code":"X"}}', ' (X)'],
    ['errors that are none', '{"errors":[null, 7]}', ' ({"errors":[null, 7]})'],
    ['null', 'null', ' (null)'],
    ['codes that are none', '{"errors":[{"code":7,"message":{}}]}', ' (7)'],
    ['too much', 'x'.repeat(100_000), ` (${'x'.repeat(299)}…)`],
  ])('quotes the reason in %s', async (_, body, said) => {
    answer(403, body);
    expect((await pull()).message).toBe(`could not pull manifest 1 of ${registry.host}/${name}: HTTP 403${said}`);
  });

  it('cannot drive a terminal or flood a log', async () => {
    answer(403, spec('\u001b[31mEVIL\u0007', `line\r\n\u202eline\u0085${'y'.repeat(60_000)}`));
    expect((await pull()).message).toMatch(/^[ -~…]{1,800}$/);
  });

  it.each<[Record<string, string>, string]>([
    [
      { 'www-authenticate': 'Bearer realm="x",error="invalid_token",error_description="The token has expired"' },
      ' (invalid_token: The token has expired)',
    ],
    [{ 'x-ms-error-code': 'AuthenticationFailed' }, ' (AuthenticationFailed)'],
    [{ 'www-authenticate': 'Negotiate' }, ''],
  ])('takes the reason from the headers without a body: %j', async (headers, said) => {
    answer(403, '', headers);
    const { message } = await errorOf(resolveTag(repository, '1'));
    expect(message).toBe(`could not look up manifest 1 of ${registry.host}/${name}: HTTP 403${said}`);
  });

  it('reports the Retry-After', async () => {
    answer(429, '', { 'retry-after': '3600' });
    expect(await pull()).toMatchObject({ retryAfterMs: 3_600_000, transient: true });
  });
});

/** Responses of registries in use to a push that would move an immutable tag. */
const immutable: [string, number, unknown][] = [
  ['Docker Hub', 403, { errors: [{ code: 'DENIED', message: 'access is denied: tag is immutable' }] }],
  [
    'ECR',
    400,
    { errors: [{ code: 'TAG_INVALID', message: "The image tag '1' already exists and cannot be overwritten" }] },
  ],
  ['ECR by its exception', 400, { __type: 'ImageTagAlreadyExistsException', message: 'see the tag' }],
  ['Harbor', 412, { errors: [{ code: 'PRECONDITION', message: "'a/b:1' configured as immutable." }] }],
  [
    'Harbor on a conflict',
    409,
    { errors: [{ code: 'CONFLICT', message: 'tag 1 already exists under the repository' }] },
  ],
  [
    'Google',
    409,
    { errors: [{ code: 'DENIED', message: 'cannot update tag 1. The repository has tag immutability' }] },
  ],
  ['Quay', 500, { errors: [{ code: 'UNKNOWN', message: '', detail: { message: 'tag is immutable' } }] }],
  ['Alibaba', 403, 'The requested tag already exists and cannot be overwritten.'],
  ['Nexus', 400, '<html><head><title>400 - Repository does not allow updating assets: mirror</title></head></html>'],
  ['Artifactory', 403, { errors: [{ status: 403, message: 'Not enough permissions to delete/overwrite artifact' }] }],
];

describe('a push that is refused', () => {
  it.each(immutable)('gives the cure for the immutable tags of %s, and is not retried', async (_, status, body) => {
    registry.requests.length = 0;
    answer(status, body);
    expect(await push()).toMatchObject({
      name: 'PushRefused',
      status,
      hint: 'Exclude the prefix "harness" from immutable tags.',
      topic: 'immutable-tag',
    });
    expect(registry.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1);
  });

  it.each<[string, number, string, RegExp]>([
    ['a quota', 403, 'adding 1 MiB will exceed the configured upper limit of 10 GiB', /^Raise the quota/],
    ['a lock', 405, 'The operation is disallowed on this registry, repository or image.', /Unlock/],
    ['a missing project', 404, 'project harness not found', /Create the repository/],
    [
      'a missing repository',
      400,
      "The repository with name 'x' does not exist in the registry",
      /Create the repository/,
    ],
    ['a size', 413, 'Request Entity Too Large', /limit for request bodies/],
    ['maintenance', 403, 'the system is in read only mode', /accepts pushes again/],
  ])('gives the cure for %s', async (_, status, message, hint) => {
    answer(status, { errors: [{ code: 'DENIED', message }] });
    expect(await push()).toMatchObject({ name: 'PushRefused', hint: expect.stringMatching(hint) });
  });

  const refusal = { errors: [{ code: 'UNKNOWN' }, { code: 'MANIFEST_INVALID', detail: 'invalid URL on layer' }] };
  const foreignType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const layer = (mediaType: string) => ({ layers: [{ mediaType, digest: manifest.digest, size: 1 }] });
  const dockerType = 'application/vnd.docker.distribution.manifest.v2+json';
  const subject = { mediaType: manifest.mediaType, digest: manifest.digest, size: 1 };

  it.each<[string, object, string, RegExp]>([
    ['foreign layers', layer(foreignType), foreignType, /accept the URLs of foreign layers/],
    ['zstd', layer('application/vnd.oci.image.layer.v1.tar+zstd'), 'layer.v1.tar+zstd', /zstd/],
    ['a subject', { subject }, 'with a subject', /accepts OCI artifacts/],
    ['OCI', {}, 'application/vnd.oci.image.manifest.v1+json', /accepts OCI images/],
    ['Docker', { mediaType: dockerType }, dockerType, /Docker's image format/],
  ])('names the media types of %s and the cure, and is not retried', async (_, change, type, hint) => {
    registry.requests.length = 0;
    answer(500, refusal);
    const odd = manifestOf({ ...imageDocument(), ...change });
    const error = await errorOf(putManifest(repository, '1', odd));
    expect(error).toMatchObject({ name: 'PushRefused', hint: expect.stringMatching(hint), transient: false });
    for (const fact of ['HTTP 500 (UNKNOWN; MANIFEST_INVALID: invalid URL on layer)', type])
      expect(error.message).toContain(fact);
    expect(registry.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1);
  });
});

it('names the firewall, not the user, in the refusal of an address', async () => {
  answer(403, { errors: [{ code: 'DENIED', message: "client with IP '203.0.113.7' is not allowed access." }] });
  expect(await pull()).toMatchObject({
    name: 'RegistryForbidden',
    hint: expect.stringContaining('public address of this machine'),
  });
});

describe('a web page in place of the registry', () => {
  const page = '<!doctype html><html><head><title>Sign in &amp; go on</title></head></html>';
  const html = { 'content-type': 'text/html; charset=utf-8' };

  it.each<[string, () => Promise<Error & { [key: string]: unknown }>]>([
    ['a pull', pull],
    ['a push', push],
    ['a look at a tag', () => errorOf(resolveTag(repository, '1'))],
    ['a look at a blob', () => errorOf(hasBlob(repository, blob))],
  ])('fails %s', async (_, work) => {
    answer(200, page, html);
    expect(await work()).toMatchObject({
      name: 'RegistryFailed',
      message: expect.stringMatching(/HTTP 200 \(a web page/),
      hint: expect.stringContaining('login page or captive portal'),
      transient: false,
    });
  });

  it.each<[string, () => Promise<Error & { [key: string]: unknown }>]>([
    ['a push', push],
    ['a look at a blob', () => errorOf(hasBlob(repository, blob))],
  ])('fails %s after an empty page', async (_, work) => {
    answer(200, '', html);
    expect(await work()).toMatchObject({ name: 'RegistryFailed', message: expect.stringContaining('a web page') });
  });

  it('quotes the title of the page', async () => {
    answer(200, page, html);
    expect((await pull()).message).toContain('HTTP 200 (a web page, "Sign in & go on")');
  });

  it('recognizes a page without its media type', async () => {
    answer(200, page);
    expect(await pull()).toMatchObject({ message: expect.stringContaining('is not JSON, but a web page, "Sign in') });
  });

  it('names the page to which a push is redirected', async () => {
    answer(302, '', { location: 'https://login.example.com/authorize?state=s3cret' });
    const { message } = await push();
    expect(message).toContain('HTTP 302 to https://login.example.com/authorize');
    expect(message).not.toContain('s3cret');
  });

  it('reports a page from a firewall as a refusal', async () => {
    answer(403, '<html><title>Blocked</title></html>', html);
    expect(await pull()).toMatchObject({
      name: 'RegistryForbidden',
      message: expect.stringContaining('HTTP 403 (a web page, "Blocked")'),
      hint: expect.stringContaining('firewall'),
    });
  });

  it('accepts HTML content with the digest of the registry', async () => {
    answer(200, '', { ...html, 'docker-content-digest': manifest.digest });
    expect(await resolveTag(repository, '1')).toBe(manifest.digest);
  });
});

describe('a response that violates the specification', () => {
  it.each([301, 302, 307])('%d without a Location is RegistryFailed', async (status) => {
    answer(status);
    expect(await pull()).toMatchObject({ name: 'RegistryFailed', status });
  });

  it.each([
    ['<html>', 'RegistryFailed'],
    ['null', 'RegistryFailed'],
    ['{}', 'RegistryFailed'],
    ['[]', 'RegistryFailed'],
    ['{"tags":"1"}', 'RegistryFailed'],
    [' '.repeat(9 * 1024 * 1024), 'RegistryFailed'],
  ])('throws RegistryFailed for an invalid list of tags', async (body, errorName) => {
    answer(200, body);
    expect(await errorOf(listTags(repository))).toMatchObject({
      name: errorName,
      message: `the list of tags of ${registry.host}/${name} cannot be read`,
    });
  });

  it('leaves out invalid tags of a list', async () => {
    answer(200, { tags: ['1', '../x', 7, null, 'a b', '\u001b[2J', '2'] });
    expect(await listTags(repository)).toEqual(['1', '2']);
    registry.faults.clear();
    answer(200, '{"tags":null}');
    expect(await listTags(repository)).toEqual([]);
  });

  it('refuses a list of too many tags as RegistryFailed', async () => {
    answer(200, { tags: ['1', '2', '3'] });
    expect(await errorOf(listTags(repository, { limit: 2 }))).toMatchObject({
      name: 'RegistryFailed',
      message: `${registry.host}/${name} has more than 2 tags`,
    });
    registry.faults.clear();
    answer(200, { tags: ['1', '2'] });
    expect(await listTags(repository, { limit: 2 })).toEqual(['1', '2']);
  });

  it('stops reading endless pages', async () => {
    registry.requests.length = 0;
    registry.faults.add({
      match: { times: 5_000 },
      act: { status: 200, headers: { link: `</v2/${name}/tags/list?last=x>; rel="next"` }, body: '{"tags":["x"]}' },
    });
    expect(await errorOf(listTags(repository))).toMatchObject({ name: 'RegistryFailed' });
    expect(registry.requests).toHaveLength(1_000);
  });
});

describe('a registry out of reach', () => {
  it('throws RegistryUnreachable, with the request and the host', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const host = `127.0.0.1:${(closed.address() as AddressInfo).port}`;
    closed.close();
    const error = await errorOf(resolveTag(new Repository(connect(host), name), '1'));
    expect(error).toMatchObject({ name: 'RegistryUnreachable', status: 0 });
    expect(error.message).toBe(`could not look up manifest 1 of ${host}/${name}: connection refused (http://${host}/)`);
  });

  it('throws RegistryUnreachable for an unknown host name', async () => {
    const client = connect('no-such-host.invalid');
    expect(await errorOf(resolveTag(new Repository(client, name), '1'))).toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });

  it('throws RegistryUnreachable in the middle of a document, after all attempts', async () => {
    registry.requests.length = 0;
    registry.storage.putManifest(name, manifest.mediaType, Buffer.from(manifest.bytes), manifest.digest);
    registry.faults.add({ match: { method: 'GET', times: 99 }, act: 'reset', afterBytes: 20 });
    const error = await errorOf(getManifest(repository, manifest.digest));
    expect(error).toMatchObject({ name: 'RegistryUnreachable', transient: true });
    expect(registry.requests).toHaveLength(3);
  });
});

it('keeps secrets out of every error, down to its last cause', async () => {
  const challenge = { 'www-authenticate': 'Basic realm="x"' };
  for (const act of [{ status: 401, headers: challenge }, { status: 403 }, { status: 500 }, 'reset'] as const) {
    registry.faults.add({ match: { times: 1 }, act: { status: 401, headers: challenge } });
    registry.faults.add({ match: { times: 9 }, act });
    const error = await errorOf(hasBlob(repository, blob));
    expect(error).toBeInstanceOf(FactoryError);
    expect(everything(error)).not.toMatch(/s3cret|hunter2|YWRhOm/);
    registry.faults.clear();
  }
});

describe('credentials that a server echoes', () => {
  const echoes: [string, (request: string) => string][] = [
    ['the message of an error', (request) => http(403, JSON.stringify(spec('DENIED', request)))],
    ['the code of an error', (request) => http(400, JSON.stringify(spec(request, 'no')))],
    ['plain text', (request) => http(500, request)],
    ['bytes that are no HTTP', (request) => request],
    ['a chunk of wrong size', (request) => `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${request}`],
    ['a manifest', (request) => http(200, request)],
  ];

  it.each(echoes)('removes echoed credentials in %s from the error', async (_, echo) => {
    const server = createServer((socket) =>
      socket
        .on('error', () => undefined)
        .on('data', (request) => {
          const line = /authorization: (.*)\r/i.exec(request.toString())?.[1];
          const challenge =
            'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="x"\r\ncontent-length: 0\r\n\r\n';
          if (line === undefined) socket.write(challenge);
          else socket.end(echo(line));
        }),
    ).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = always({ username: 'ada', password: 'hunter2-s3cret' });
    try {
      const error = await errorOf(getManifest(new Repository(connect(host, { credentials }), name), '1'));
      expect(error.name).toMatch(/^(Registry|Manifest)/);
      // As sent: base64 of user and password.
      expect(everything(error)).not.toMatch(/s3cret|YWRhOm/);
    } finally {
      server.close();
    }
  });

  function http(status: number, body: string): string {
    return `HTTP/1.1 ${status} X\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  }
});
