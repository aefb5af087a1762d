import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Repository } from '../../functions/oci/registry/repository.ts';
import { doctor } from '../../infra/local/doctor.ts';
import { sampleImage } from '../../infra/local/embedded/sample-images.ts';
import { connect, copy, disconnect } from '../oci/connect.ts';
import { always } from '../oci/providers.ts';
import { available } from '../real-parts.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';
import { command, type DockerRegistry, login, startDockerRegistry } from './docker-registry.ts';

const isThere = available(command);
const name = 'harness/ci-addon';

(isThere ? describe : describe.skip)(
  `doctor before docker-registry${isThere ? '' : ` (${command} is not on PATH)`}`,
  () => {
    let registry: DockerRegistry;
    let factory: Factory;
    let folder: string;

    beforeAll(async () => {
      registry = await startDockerRegistry({ auth: true });
    });
    afterAll(async () => {
      await disconnect();
      await registry.close();
    });
    beforeEach(async () => {
      factory = await startFactory();
      folder = await mkdtemp(join(tmpdir(), 'factory-doctor-'));
    });
    afterEach(async () => {
      await factory.close();
      await rm(folder, { recursive: true, force: true });
    });

    const basic = () => `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;

    /** Checks a target with a login, and returns the target's line. */
    async function examine(password: string) {
      const auth = Buffer.from(`${login.username}:${password}`).toString('base64');
      await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
      const environment = {
        HARNESS_URL: factory.harness.url,
        HARNESS_API_KEY: factory.harness.apiKey,
        SOURCE_REGISTRY: factory.source.host,
        REGISTRY_NAME: `${registry.host}/mirror`,
        DOCKER_CONFIG: folder,
        MODIFY_DEFAULT: 'false',
      };
      const report = await doctor({ state: join(folder, 'state') }, environment, new AbortController().signal);
      return report.checks?.find((check) => check.name.startsWith('target'));
    }

    /**
     * The upload sessions, blobs and tags of the registry, by their files. A session is its `startedat`: distribution 2
     * writes the state of the hash once more after it has deleted a session, and knows nothing of it any longer.
     */
    async function contents() {
      const files = await readdir(registry.data, { recursive: true }).catch(() => []);
      return {
        uploads: files.filter((file) => /_uploads\/.*\/startedat$/.test(file)),
        blobs: files.filter((file) => /blobs\/sha256\/../.test(file)),
        tags: files.filter((file) => /_manifests\/tags\/./.test(file)),
      };
    }

    it('leaves no upload, blob or tag in a repository that does not exist', async () => {
      expect(await examine(login.password)).toMatchObject({
        status: 'ok',
        message: expect.stringMatching(
          /^accepts the login of .*; a push is allowed \(an upload was opened, and was cancelled\)$/,
        ),
      });
      expect(await contents()).toEqual({ uploads: [], blobs: [], tags: [] });
      const sent = registry.requests.filter(({ method, status }) => !/GET|HEAD/.test(method) && status < 400);
      expect(sent.map(({ method, status }) => `${method} ${status}`)).toEqual(['POST 202', 'DELETE 204']);
      const location = sent.at(-1)?.target.replace(/\?.*/, '') ?? '';
      const ended = await fetch(`http://${registry.host}${location}`, { headers: { authorization: basic() } });
      expect(ended.status).toBe(404);
    });

    it('leaves what is there as it is', async () => {
      const image = sampleImage({ name, tag: '1.18.22', layerBytes: 100 });
      factory.source.storage.putImage(name, '1.18.22', image);
      const target = new Repository(connect(registry.host, { credentials: always(login) }), `mirror/${name}`);
      await copy(new Repository(connect(factory.source.host), name), '1.18.22', target);
      const before = await contents();
      expect(before.tags).not.toEqual([]);
      expect((await examine(login.password))?.message).toContain('has its copy; a push is allowed');
      expect(await contents()).toEqual(before);
    });

    it('fails for a wrong password with its cure, and does not show it', async () => {
      const target = await examine('not-the-password');
      expect(target).toMatchObject({ status: 'failed', message: expect.stringContaining('RegistryUnauthorized') });
      expect(target?.cure).toMatch(/\S/);
      expect(JSON.stringify(target)).not.toContain('not-the-password');
    });
  },
);
