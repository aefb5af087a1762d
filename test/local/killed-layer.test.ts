import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mediaTypes } from '../../functions/oci/spec/media-type.ts';
import { available } from '../real-parts.ts';
import { command, type DockerRegistry, startDockerRegistry } from '../real-registry/docker-registry.ts';
import { startSetting } from './factory-command.ts';

const MiB = 1024 * 1024;
const repository = 'plugins/cache';
const tag = '1.10.12';
const chunk = 8 * MiB;

(available(command) ? describe : describe.skip)(`a sync to ${command} that is killed within a large layer`, () => {
  let setting: Awaited<ReturnType<typeof startSetting>>;
  let target: DockerRegistry;
  beforeAll(async () => {
    [setting, target] = await Promise.all([startSetting(), startDockerRegistry()]);
  });
  afterAll(() => Promise.all([setting.close(), target.close()]));

  /** Puts an image of one layer at the source. Its bytes never repeat at a multiple of a chunk, yet take little memory. */
  function publish(layerBytes: number): { layer: string; root: string } {
    const pool = randomBytes(2 * MiB);
    const pieces = Array.from({ length: layerBytes / MiB }, (_, i) => pool.subarray(i * 4093, i * 4093 + MiB));
    const { storage } = setting.source;
    const layer = storage.putBlob(repository, pieces);
    const config = storage.putBlob(repository, Buffer.from('{"architecture":"amd64","os":"linux"}'));
    const describe = (mediaType: string, { digest, size }: { digest: string; size: number }) => ({
      mediaType,
      digest,
      size,
    });
    const document = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe('application/vnd.oci.image.layer.v1.tar', layer)],
    };
    const { digest } = storage.putManifest(repository, mediaTypes.ociManifest, Buffer.from(JSON.stringify(document)));
    storage.tag(repository, tag, digest);
    return { layer: layer.digest, root: digest };
  }

  /**
   * Stops the source in the middle of a chunk. Kills the copy when its checkpoint has all chunks before: a target like
   * this keeps an upload only if no chunk was cut off.
   */
  const stopAt = (layer: string, offset: number) => {
    setting.source.faults.add({ match: { path: new RegExp(layer) }, act: 'stall', afterBytes: offset + chunk / 2 });
    return async (state: string) => {
      const folder = join(setting.folder, state, 'checkpoints');
      // A draft does not count yet: a target like this cancels an upload that has more bytes than the checkpoint.
      const files = (await readdir(folder).catch(() => [])).filter((file) => !file.endsWith('.draft'));
      const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8').catch(() => '')));
      return texts.some((text) => new RegExp(`"offset": *${offset}\\b`).test(text));
    };
  };

  /** Copies the image, and returns the bytes of the layer that the source sent, and the chunks that the target took. */
  async function copy(prefix: string, layer: string, until?: (state: string) => Promise<boolean>) {
    const pulls = setting.source.requests.length;
    const pushes = target.requests.length;
    const read = () =>
      setting.source.requests
        .slice(pulls)
        .filter(({ path }) => path.endsWith(layer))
        .reduce((sum, { bytesOut }) => sum + bytesOut, 0);
    let over = until === undefined;
    const kill = async (pid: number) => {
      while (!over && !(await until?.(prefix))) await sleep(1);
      if (!over) process.kill(pid, 'SIGKILL');
    };
    const { code, stderr } = await setting.factory(['sync', '--json', '--state', prefix, '--input', '-'], {
      stdin: JSON.stringify({ include_fields: ['cacheS3Tag'], modify_default: false }),
      environment: { REGISTRY_NAME: `${target.host}/${prefix}` },
      when: { printed: /copying/, act: (pid) => void kill(pid) },
    });
    over = true;
    const chunks = target.requests.slice(pushes).filter(({ method, status }) => method === 'PATCH' && status === 202);
    return { code, stderr, read: read(), written: chunks.length * chunk };
  }

  async function expectArrived(prefix: string, root: string) {
    const response = await fetch(`http://${target.host}/v2/${prefix}/${repository}/manifests/${tag}`, {
      headers: { accept: mediaTypes.ociManifest },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(root);
  }

  it('moves at most 60 % of the layer in the next run when about half of it was through', async () => {
    const size = 256 * MiB;
    const { layer, root } = publish(size);
    const killed = await copy('mirror', layer, stopAt(layer, size / 2));
    expect(killed).toMatchObject({ code: null, written: size / 2 });
    const rerun = await copy('mirror', layer);
    expect({ code: rerun.code, stderr: rerun.code === 0 ? '' : rerun.stderr }).toEqual({ code: 0, stderr: '' });
    expect(rerun.read / size).toBeLessThanOrEqual(0.6);
    expect(rerun.written / size).toBeLessThanOrEqual(0.6);
    await expectArrived('mirror', root);
  }, 60_000);

  it('sends the layer again when the registry has removed the upload', async () => {
    const size = 128 * MiB;
    const { layer, root } = publish(size);
    expect(await copy('other', layer, stopAt(layer, size / 2))).toMatchObject({ code: null });
    const uploads = join(target.data, 'docker/registry/v2/repositories/other', repository, '_uploads');
    await rm(uploads, { recursive: true });
    const rerun = await copy('other', layer);
    expect(rerun).toMatchObject({ code: 0, read: size, written: size });
    await expectArrived('other', root);
  }, 60_000);
});
