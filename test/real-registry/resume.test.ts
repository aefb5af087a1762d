import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { resolveTag } from '../../functions/oci/registry/manifests.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { profileOf } from '../../functions/oci/registry/profile.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { ByteClock, type CallOptions, callUntilDone, pausedCall } from '../oci/copy/calls.ts';
import { connect, copy, disconnect, expectWhole } from '../oci/connect.ts';
import { storedImage } from '../oci/stored-images.ts';
import { available } from '../real-parts.ts';
import { command, type DockerRegistry, startDockerRegistry } from './docker-registry.ts';

const MiB = 1024 * 1024;
const part = MiB / 4;
/** Each layer needs several calls. */
const callBytes = 2 * MiB;
const name = 'harness/ci-addon';
const image = storedImage([randomBytes(6 * MiB + 1), randomBytes(5 * MiB), randomBytes(3 * MiB), Buffer.from('small')]);
const size = [...image.blobs.values()].reduce((sum, { length }) => sum + length, 0);

(available(command) ? describe : describe.skip)(`an upload to ${command} in several calls`, () => {
  let samples: EmbeddedRegistry;
  let registry: DockerRegistry;
  let source: Repository;
  let target: Repository;
  let copies = 0;

  beforeAll(async () => {
    [samples, registry] = await Promise.all([startRegistry(), startDockerRegistry()]);
    samples.storage.putImage(name, '1', image);
    source = new Repository(connect(samples.host), name);
  });
  beforeEach(() => {
    const profile = { ...profileOf(registry.host), chunkBytes: part };
    target = new Repository(connect(registry.host, { profile }), `mirror/${++copies}`);
  });
  afterAll(async () => {
    await disconnect();
    await Promise.all([samples?.close(), registry?.close()]);
  });

  const half = (options: Partial<CallOptions> = {}) =>
    pausedCall(source, '1', target, { bytes: callBytes, ...options });

  async function expectCopied({ bytesTransferred, bytesSkipped }: { bytesTransferred: number; bytesSkipped: number }) {
    expect(await resolveTag(target, '1')).toBe(image.digest);
    const back = `back/${copies}`;
    await copy(target, '1', new Repository(connect(samples.host), back));
    expectWhole(samples, back, image);
    expect(bytesTransferred + bytesSkipped).toBe(size);
  }

  const ours = (method: string) =>
    registry.requests.filter(
      (request) => request.method === method && request.target.includes(`/${target.name}/blobs/uploads/`),
    );

  it('resumes where each call ended, in the sessions that the first one opened', async () => {
    const { calls, copied } = await callUntilDone(source, '1', target, { bytes: callBytes });
    expect(calls).toBeGreaterThan(4);
    await expectCopied(copied);
    expect(ours('POST')).toHaveLength(image.blobs.size);
    // Every part was taken at once, in its place.
    const parts = [...image.blobs.values()].filter(({ length }) => length > part);
    expect(ours('PATCH').every(({ status }) => status === 202)).toBe(true);
    expect(ours('PATCH')).toHaveLength(parts.reduce((sum, { length }) => sum + Math.ceil(length / part), 0));
  });

  it('survives a pause in the middle of a part', async () => {
    const clock = new ByteClock();
    let moved = 0;
    const watch = ({ bytes }: { bytes: number }) => {
      moved += bytes;
      // Two blobs go in parts at a time: with three answers, one part of a blob is acknowledged and the next under way.
      if (moved > callBytes && ours('PATCH').length > 2) clock.ring();
    };
    const { checkpoint } = await half({ bytes: 3 * MiB, clock, watch });
    expect(checkpoint.open.length).toBeGreaterThan(0);
    const { copied } = await callUntilDone(source, '1', target, { bytes: 100 * MiB, checkpoint });
    await expectCopied(copied);
    expect(ours('PATCH').every(({ status }) => status === 202)).toBe(true);
    expect(ours('GET').map(({ status }) => status)).toEqual(checkpoint.open.map(() => 204));
  });

  it('starts again when its session was cancelled', async () => {
    const { checkpoint } = await half();
    for (const [, { at }] of checkpoint.open) {
      const { status } = await fetch(`http://${registry.host}${at}`, { method: 'DELETE' });
      expect(status).toBe(204);
    }
    const { copied } = await callUntilDone(source, '1', target, { bytes: 100 * MiB, checkpoint });
    await expectCopied(copied);
  });
});
