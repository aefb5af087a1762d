import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hasBlob, servesBlob } from '../../../functions/oci/registry/blobs.ts';
import type { Digest } from '../../../functions/oci/spec/digest.ts';
import { resolveTag } from '../../../functions/oci/registry/manifests.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';
import type { Act } from '../../../infra/local/embedded/registry/faults.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { sampleImage } from '../../../infra/local/embedded/sample-images.ts';
import { startTcpPeer } from '../../http/tcp-peer.ts';
import { connect, count, disconnect, errorOf } from '../connect.ts';

const name = 'harness/ci-addon';
const image = sampleImage({ name, tag: '1', layerBytes: 2048 });
const [[digest, content]] = [image, ...image.children].flatMap(({ blobs }) => [...blobs]) as [[Digest, Buffer]];
const blob = { digest, size: content.length };
const absentBlob = { ...blob, digest: `sha256:${'0'.repeat(64)}` as Digest };

let registry: EmbeddedRegistry;
let repository: Repository;
let notes: string[];
beforeEach(async () => {
  registry = await startRegistry();
  registry.storage.putImage(name, '1', image);
  notes = [];
  repository = new Repository(connect(registry.host, { onNote: (note) => notes.push(note) }, { headersMs: 200 }), name);
});
afterEach(async () => {
  await disconnect();
  await registry.close();
});

const headAnswers = (act: Act, times = 99) => registry.faults.add({ match: { method: 'HEAD', times }, act });

it('survives bodies that follow the responses to HEAD', async () => {
  const body = '{"errors":[]}';
  const peer = await startTcpPeer((socket) => {
    socket.on('data', () => {
      const head = ['HTTP/1.1 200 OK', `docker-content-digest: ${image.digest}`, `content-length: ${body.length}`];
      socket.write(`${head.join('\r\n')}\r\n\r\n`);
      setTimeout(() => socket.write(body), 3);
    });
  });
  try {
    const sloppy = new Repository(connect(peer.host), name);
    for (let n = 0; n < 20; n++) expect(await resolveTag(sloppy, '1')).toBe(image.digest);
  } finally {
    await peer.close();
  }
});

describe('a manifest', () => {
  it.each<[string, Act]>([
    ['404', { status: 404 }],
    ['405', { status: 405 }],
    ['501', { status: 501 }],
    ['403', { status: 403 }],
    ['400', { status: 400 }],
    ['200 without a digest', { status: 200 }],
    ['nothing, and closes the connection', 'reset'],
  ])('looks up a manifest by GET, from then on at once, where HEAD returns %s', async (_, act) => {
    headAnswers(act);
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect([count(registry, 'HEAD'), count(registry, 'GET', /\/manifests\//)]).toEqual([1, 2]);
    expect(notes).toEqual([expect.stringContaining('does not support HEAD of manifests')]);
  });

  it('trusts a 404 once HEAD has worked', async () => {
    expect(await resolveTag(repository, 'absent')).toBeUndefined();
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect(await resolveTag(repository, 'absent')).toBeUndefined();
    expect([count(registry, 'HEAD'), count(registry, 'GET', /\/manifests\//)]).toEqual([3, 1]);
    expect(notes).toEqual([]);
  });

  it('looks up a likely absent manifest once', async () => {
    expect(await resolveTag(repository, 'absent', { absence: 'likely' })).toBeUndefined();
    expect([count(registry, 'HEAD'), count(registry, 'GET', /\/manifests\//)]).toEqual([1, 0]);
  });

  it('uses HEAD again after an overload', async () => {
    headAnswers({ status: 503 }, 2);
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect([count(registry, 'HEAD'), count(registry, 'GET', /\/manifests\//)]).toEqual([3, 0]);
  });

  it('reports the reason of a refusal, which only GET returns', async () => {
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'not for you' }] });
    registry.faults.add({ match: { times: 99 }, act: { status: 403, body } });
    expect(await errorOf(resolveTag(repository, '1'))).toMatchObject({
      name: 'RegistryForbidden',
      message: expect.stringMatching(/could not look up manifest 1 .*not for you/),
    });
  });

  it('pulls from Docker Hub only when HEAD is refused, since each pull counts', async () => {
    const hub = { ...repository.registry.profile, countsPulls: true };
    repository = new Repository(connect(registry.host, { profile: hub }), name);
    headAnswers('reset', 2);
    expect(await resolveTag(repository, '1')).toBe(image.digest);
    expect([count(registry, 'HEAD'), count(registry, 'GET', /\/manifests\//)]).toEqual([3, 0]);
  });
});

describe('a blob', () => {
  it.each([400, 405, 501])('looks up a blob by a download where HEAD returns %s', async (status) => {
    headAnswers({ status });
    expect(await hasBlob(repository, blob)).toBe(false);
    expect(await servesBlob(repository, blob)).toBe(true);
    expect(await servesBlob(repository, absentBlob)).toBe(false);
  });

  it.each([405, 501])('looks up no blob by HEAD after %s', async (status) => {
    headAnswers({ status });
    for (let i = 0; i < 3; i++) await servesBlob(repository, blob);
    expect(count(registry, 'HEAD')).toBe(1);
  });
});
