import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { packageFolder } from '../../infra/package/build.ts';
import { root } from '../../infra/package/root.ts';
import { startSetting } from '../local/factory-command.ts';
import { available } from '../real-parts.ts';
import { type Container, type Ended, LaidOutImage } from './container-image.ts';
import { buildWithEngine, workingEngine } from './container-engine.ts';
import { emptyFolder, run } from './project.ts';

const recipe = join(root, 'infra/container/Dockerfile');
const context = packageFolder;

/** A user that no passwd file knows, as OpenShift gives one to each project. */
const unknownUser = 1_000_680_000;

(available('hadolint') ? it : it.skip)('hadolint has nothing to say of the recipe', async () => {
  expect(await run('hadolint', ['--failure-threshold', 'style', recipe], { cwd: root })).toBe('');
});

it('the recipe copies only what its list of the context lets through', () => {
  const copied = /^COPY (?!--from)(?:--\S+ )*(.*) \S+$/gm;
  const names = [...readFileSync(recipe, 'utf8').matchAll(copied)].flatMap(([, sources = '']) => sources.split(' '));
  const listed = readFileSync(`${recipe}.dockerignore`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('!'));
  expect(names.map((name) => `!${name.replace(/\/$/, '')}`).toSorted()).toEqual(listed.toSorted());
});

interface Image {
  run(container: Container): Promise<Ended>;
}

/** Shows that the command works as the image starts it, by whoever runs the image. */
async function expectToWork(image: Image, state: string, user?: number): Promise<void> {
  const setting = await startSetting();
  const { HOME: _home, XDG_CACHE_HOME: _cache, PATH: _path, ...env } = setting.environment;
  const start = (...args: string[]) => image.run({ args, env, state, ...(user === undefined ? {} : { user }) });
  try {
    expect(await start('--version')).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
    expect(await start()).toMatchObject({ code: 0, stdout: expect.stringContaining('Usage: factory') });
    const runs = [await start('plan', '--json'), await start('sync', '--json'), await start('verify', '--json')];
    expect(runs.map(({ code, stdout, stderr }) => ({ code, stdout, stderr }))).toEqual(
      runs.map(() => expect.objectContaining({ code: 0, stdout: expect.stringContaining('"status": "SUCCEEDED"') })),
    );
    expect(Object.keys(setting.overrides())).toHaveLength(5);
    const { stdout } = await start('history', '--json');
    expect(JSON.parse(stdout)).toHaveLength(3);
  } finally {
    await setting.close();
  }
}

/** Returns a new folder for the state, as the image has it. */
function stateFolder(mode = 0o1777): string {
  const state = join(emptyFolder(), 'state');
  mkdirSync(state);
  chmodSync(state, mode);
  return state;
}

const engine = await workingEngine();
const canLayOut = process.getuid?.() === 0 && available('unshare');

// Either shows what the image does, so nothing is skipped where one of them can be had.
if (engine === undefined || canLayOut)
  (canLayOut ? describe : describe.skip)('the image, laid out', () => {
    let image: LaidOutImage;
    beforeAll(async () => {
      image = await LaidOutImage.build({ recipe, context, folder: emptyFolder() });
    });

    it('starts as a user without privileges', () => {
      expect(image.user).toBe('65532:65532');
    });

    it('lets every user write the state, and nothing else', () => {
      const paths = ['state', 'home/factory', 'opt/factory/bin', 'opt/factory/bin/factory.cjs', 'opt/factory/LICENSE'];
      expect(Object.fromEntries(paths.map((path) => [path, image.mode(path)]))).toEqual({
        state: '1777',
        'home/factory': '755',
        'opt/factory/bin': '755',
        'opt/factory/bin/factory.cjs': '755',
        'opt/factory/LICENSE': '644',
      });
    });

    it('plans, copies, switches and verifies with a root that is read only', async () => {
      const state = stateFolder();
      await expectToWork(image, state);
      expect(readdirSync(state)).toEqual(['harness-ci-image-factory']);
    });

    it('does so for a user id that no passwd file knows', () => expectToWork(image, stateFolder(), unknownUser));

    it('says so when the state cannot be written', async () => {
      const setting = await startSetting();
      const { HOME: _home, XDG_CACHE_HOME: _cache, PATH: _path, ...env } = setting.environment;
      try {
        const { code, stderr } = await image.run({ args: ['sync', '--yes'], env, state: stateFolder(0o755) });
        expect(stderr).toMatch(/ \/state\/harness-ci-image-factory/);
        expect(code).not.toBe(0);
      } finally {
        await setting.close();
      }
    });
  });

if (engine !== undefined)
  describe(`the image that ${engine} builds`, () => {
    let image: Awaited<ReturnType<typeof buildWithEngine>>;
    beforeAll(async () => {
      image = await buildWithEngine(engine, { recipe, context });
    });
    afterAll(() => image.remove());

    it('works with a root that is read only', () => expectToWork(image, image.volume('own')));
    it('works for a user id that no passwd file knows', () =>
      expectToWork(image, image.volume('unknown'), unknownUser));
  });

it('the job for Kubernetes on the page asks for what the image can do', () => {
  const page = readFileSync(join(root, 'docs/container.md'), 'utf8');
  const [, text = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
  const securityContext = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  };
  const args = ['sync', '--state', expect.stringMatching(/^s3:/)];
  const pod = { securityContext: { runAsNonRoot: true }, containers: [{ args, securityContext }] };
  expect(parse(text)).toMatchObject({ kind: 'CronJob', spec: { jobTemplate: { spec: { template: { spec: pod } } } } });
});
