import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { FactoryError } from '../../functions/errors.ts';
import { hasBlob } from '../../functions/oci/blobs.ts';
import { getManifest, putManifest, type Repository, resolveTag } from '../../functions/oci/manifests.ts';
import { listTags } from './tags.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { always, connect, disconnect, errorOf, everything } from './connect.ts';
import { imageDocument, manifestOf } from './documents.ts';

const name = 'harness/ci-addon';
const manifest = manifestOf(imageDocument());
let registry: EmbeddedRegistry;
let repository: Repository;

beforeAll(async () => {
  registry = await startRegistry();
  const credentials = always({ username: 'ada', password: 'hunter2-s3cret' });
  repository = { registry: connect(registry.host, { credentials }), name };
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
    { code: 'SECOND', message: 'second' },
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
      expect(error).toMatchObject({ name: errorName, status, code });
      expect(error.message).toBe(`could not ${doing} ${registry.host}/${name}: HTTP ${status} (${code}: the reason)`);
      expect(error['hint']).toMatch(/^[ -~]{20,200}$/);
    }
  });

  it('of a push to a repository that is missing says how to get one', async () => {
    answer(404, spec('NAME_UNKNOWN', 'no such repository'));
    expect((await push())['hint']).toContain(`Create the repository ${name}`);
  });

  it.each([
    ['plain text', 'You have reached your pull rate limit.', ' (You have reached your pull rate limit.)'],
    ['a web page', '<!DOCTYPE html><html><body>busy</body></html>', ''],
    ['nothing', '', ''],
    ['JSON of another shape', '{"message":"no"}', ''],
    ['a list that is none', '{"errors":{"code":"X"}}', ' ({"errors":{"code":"X"}})'],
    ['errors that are none', '{"errors":[null, 7]}', ''],
    ['null', 'null', ' (null)'],
    ['codes that are none', '{"errors":[{"code":7,"message":{}}]}', ''],
    ['too much', 'x'.repeat(100_000), ''],
  ])('in %s is told as well as it can be', async (_, body, said) => {
    answer(403, body);
    expect((await pull()).message).toBe(`could not pull manifest 1 of ${registry.host}/${name}: HTTP 403${said}`);
  });

  it('cannot drive a terminal or flood a log', async () => {
    answer(403, spec('\u001b[31mEVIL\u0007', `line\r\n\u202eline\u0085${'y'.repeat(60_000)}`));
    expect((await pull()).message).toMatch(/^[ -~…]{1,800}$/);
  });

  it('tells when to come back', async () => {
    answer(429, '', { 'retry-after': '3600' });
    expect(await pull()).toMatchObject({ retryAfterMs: 3_600_000, transient: true });
  });
});

describe('an answer that is none of the specification', () => {
  it.each([301, 302, 307])('%d without a Location is RegistryFailed', async (status) => {
    answer(status);
    expect(await pull()).toMatchObject({ name: 'RegistryFailed', status });
  });

  it.each([
    ['<html>', 'RegistryFailed'],
    [' '.repeat(9 * 1024 * 1024), 'RegistryFailed'],
  ])('to a list of tags is RegistryFailed', async (body, errorName) => {
    answer(200, body);
    expect(await errorOf(listTags(repository))).toMatchObject({
      name: errorName,
      message: `the list of tags of ${registry.host}/${name} cannot be read`,
    });
  });

  it('of tags that are none leaves them out', async () => {
    answer(200, { tags: ['1', '../x', 7, null, 'a b', '\u001b[2J', '2'] });
    expect(await listTags(repository)).toEqual(['1', '2']);
    registry.faults.clear();
    for (const body of ['null', '{}', '{"tags":null}', '[]']) {
      answer(200, body);
      expect(await listTags(repository)).toEqual([]);
      registry.faults.clear();
    }
  });

  it('that pages for ever ends', async () => {
    registry.requests.length = 0;
    registry.faults.add({
      match: { times: 5_000 },
      act: { status: 200, headers: { link: `</v2/${name}/tags/list?last=x>; rel="next"` }, body: '{"tags":["x"]}' },
    });
    expect(await listTags(repository)).toHaveLength(1_000);
    expect(registry.requests).toHaveLength(1_000);
  });
});

describe('a registry out of reach', () => {
  it('is RegistryUnreachable, with what was tried and where', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const host = `127.0.0.1:${(closed.address() as AddressInfo).port}`;
    closed.close();
    const error = await errorOf(resolveTag({ registry: connect(host), name }, '1'));
    expect(error).toMatchObject({ name: 'RegistryUnreachable', status: 0 });
    expect(error.message).toBe(`could not look up manifest 1 of ${host}/${name}: connection refused (http://${host}/)`);
  });

  it('by name is RegistryUnreachable', async () => {
    const client = connect('no-such-host.invalid');
    expect(await errorOf(resolveTag({ registry: client, name }, '1'))).toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });

  it('in the middle of a document is RegistryUnreachable, after the attempts allowed', async () => {
    registry.requests.length = 0;
    registry.storage.putManifest(name, manifest.mediaType, Buffer.from(manifest.bytes), manifest.digest);
    registry.faults.add({ match: { method: 'GET', times: 99 }, act: 'reset', afterBytes: 20 });
    const error = await errorOf(getManifest(repository, manifest.digest));
    expect(error).toMatchObject({ name: 'RegistryUnreachable', transient: true });
    expect(registry.requests).toHaveLength(3);
  });
});

it('no error holds a secret, down to its last cause', async () => {
  const challenge = { 'www-authenticate': 'Basic realm="x"' };
  for (const act of [{ status: 401, headers: challenge }, { status: 403 }, { status: 500 }, 'reset'] as const) {
    registry.faults.add({ match: { times: 1 }, act: { status: 401, headers: challenge } });
    registry.faults.add({ match: { times: 9 }, act });
    const error = await errorOf(hasBlob(repository, manifest.digest));
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

  it.each(echoes)('in %s stay out of the error', async (_, echo) => {
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
      const error = await errorOf(getManifest({ registry: connect(host, { credentials }), name }, '1'));
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
