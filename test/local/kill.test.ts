import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import type { Registry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { available } from '../real-parts.ts';
import {
  command as dockerRegistry,
  type DockerRegistry,
  startDockerRegistry,
} from '../real-registry/docker-registry.ts';
import { type CommandResult, startSetting } from './factory-command.ts';

/** `KILLS=50 npm test -- test/local/kill.test.ts` kills more often; `SEED` repeats the points at which it does. */
const kills = Number(process.env['KILLS'] ?? 6);
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9));
const images = ['harness/ci-addon:1.18.22', 'harness/ci-lite-engine:1.18.22', 'plugins/cache:1.10.12'];
const layerBytes = 700_000;
const killWithin = 110;

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The counters of a target: its requests, and the uploads that became a blob, as `repository digest`. */
interface Target {
  host: string;
  requests: () => number;
  finished: () => string[];
}

function embedded(registry: Registry): Target {
  return {
    host: registry.host,
    requests: () => registry.requests.length,
    finished: () =>
      registry.requests
        .filter(({ method, path, status }) => method === 'PUT' && path.includes('/blobs/uploads/') && status === 201)
        .map(({ path, query }) => uploadOf(`${path}?${query}`)),
  };
}

function real(registry: DockerRegistry): Target {
  return {
    host: registry.host,
    requests: () => registry.requests.length,
    finished: () =>
      registry.requests
        .filter(
          ({ method, target, status }) => method === 'PUT' && target.includes('/blobs/uploads/') && status === 201,
        )
        .map(({ target }) => uploadOf(target)),
  };
}

function uploadOf(target: string): string {
  const [, repository] = /^\/v2\/(.+)\/blobs\/uploads\//.exec(target) ?? [];
  return `${repository} ${new URLSearchParams(target.split('?')[1]).get('digest')}`;
}

let setting: Awaited<ReturnType<typeof startSetting>>;
let docker: DockerRegistry | undefined;
beforeAll(async () => {
  setting = await startSetting();
  if (available(dockerRegistry)) docker = await startDockerRegistry();
});
afterAll(async () => {
  await docker?.close();
  await setting.close();
});

const targets: [string, () => Target | undefined][] = [
  ['an embedded registry', () => embedded(setting.target)],
  ...(available(dockerRegistry)
    ? ([[dockerRegistry, () => docker && real(docker)]] as [string, () => Target | undefined][])
    : []),
];

describe.each(targets)(`a sync to %s that is killed ${kills / targets.length} times (seed ${seed})`, (name, start) => {
  it(
    'ends well when it is left in peace, and uploads no blob of a repository twice',
    async () => {
      const target = start();
      if (!target) throw new Error(`${name} is not running`);
      const random = randomFrom(seed);
      // So that a run takes longer than it takes to start.
      Object.assign(setting.source.quirks, { latencyMs: 10 });
      Object.assign(setting.target.quirks, { latencyMs: 10 });
      let killed = 0;
      let revision = 1;
      let last: CommandResult | undefined;
      publish(revision);
      for (let runs = 0; runs < 3 * kills && killed < kills / targets.length; runs++) {
        last = await run(target, Math.floor(random() * killWithin), random() * 15);
        if (last.code === null) killed++;
        else {
          expectSucceeded(last);
          publish(++revision);
        }
      }
      expect(killed).toBe(kills / targets.length);
      expectSucceeded(await setting.hosted(syncArguments, variablesFor(target)));
      const finished = target.finished();
      expect(finished.filter((upload, i) => finished.indexOf(upload) !== i)).toEqual([]);
      expect(finished.length).toBeGreaterThan(0);
      for (const image of images) {
        const [repository = '', tag = ''] = image.split(':');
        const { headers } = await fetch(`http://${target.host}/v2/mirror/${repository}/manifests/${tag}`, {
          method: 'HEAD',
          headers: { accept: manifestTypes },
        });
        expect(headers.get('docker-content-digest')).toBe(setting.source.storage.resolve(repository, tag));
      }
    },
    30_000 + kills * 5_000,
  );
});

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

function publish(revision: number): void {
  pushSamples(setting.source, images, { layerBytes, revision });
}

const syncArguments = ['sync', '--json', '--yes', '--state', 'state'];
const variablesFor = ({ host }: Target) => ({ REGISTRY_NAME: `${host}/mirror` });

/** Runs the command. Kills it `laterMs` after both registries together received `atRequest` requests from it. */
async function run(target: Target, atRequest: number, laterMs: number): Promise<CommandResult> {
  const requests = () => target.requests() + setting.source.requests.length;
  const before = requests();
  let pid: number | undefined;
  let over = false;
  const killing = (async () => {
    while (!over && (pid === undefined || requests() - before < atRequest)) await sleep(2);
    if (over || pid === undefined) return;
    await sleep(laterMs);
    if (!over) process.kill(pid, 'SIGKILL');
  })();
  const result = await setting.factory(syncArguments, {
    environment: variablesFor(target),
    when: { printed: /\S/, act: (child) => (pid = child) },
  });
  over = true;
  await killing;
  return result;
}

function expectSucceeded({ code, stdout, stderr }: CommandResult): void {
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  expect(JSON.parse(stdout) as Report).toMatchObject({ status: 'SUCCEEDED', totals: { failed: 0 } });
}
