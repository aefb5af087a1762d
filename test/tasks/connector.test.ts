import { afterEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import type { KeyGrant } from '../../infra/local/embedded/harness-api/authentication.ts';
import { type ProfileName, profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { officialAddresses } from '../../infra/local/embedded/harness-api/state.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, type FactoryOptions, ownWarnings, pullThrough, startFactory, statuses } from './factory.ts';

describe('the connector', () => {
  const choice = { include_fields: ['cacheS3Tag'] };

  let factory: Factory;
  afterEach(() => factory.close());

  const dockerConnector = (identifier: string, dockerRegistryUrl: string) => ({
    identifier,
    name: identifier,
    type: 'DockerRegistry',
    spec: { dockerRegistryUrl, auth: { type: 'Anonymous' } },
  });

  async function startWith(connectors: object[], options: FactoryOptions = {}): Promise<void> {
    const accounts = { embedded: { connectors } } as never;
    factory = await startFactory({ ...options, harness: { accounts, ...options.harness } });
  }

  async function expectSwitched(warnings?: unknown[]): Promise<void> {
    const report = await factory.sync(choice);
    expect(report.error).toBeUndefined();
    expect(report.warnings).toEqual(warnings);
    expect(factory.overrides()).toEqual({ cacheS3Tag: factory.copyOf('plugins/cache:1.10.12') });
  }

  /** Expects that a sync copies, does not switch, and fails with the steps; and that a plan reports the same. */
  async function expectBlocked(reason: string, step: string): Promise<void> {
    const blocked = {
      reason: expect.stringContaining(reason),
      steps: expect.arrayContaining([expect.stringContaining(step)]),
    };
    const plan = await factory.run('plan', choice);
    expect(plan).toMatchObject({ status: 'SUCCEEDED', blocked });
    const report = await factory.sync(choice);
    expect(report).toMatchObject({
      status: 'FAILED',
      error: {
        name: 'SwitchBlocked',
        message: expect.stringContaining(reason),
        hint: expect.stringContaining(step),
      },
      blocked,
      totals: { copied: 1, failed: 0 },
    });
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'unchanged' });
    expect(factory.arrived('plugins/cache:1.10.12')).toBeDefined();
    expect(factory.overrides()).toEqual({});
    expect(factory.writes()).toEqual([]);
  }

  describe('the default connector account.harnessImage', () => {
    it('accepts a connector for our registry', async () => {
      factory = await startFactory();
      const report = await factory.sync();
      expect(report.error).toBeUndefined();
      expect(ownWarnings(report)).toEqual([]);
      expect(factory.overrides()).toMatchObject({ cacheS3Tag: factory.copyOf('plugins/cache:1.10.12') });
    });

    it('warns about images without an override that the registry lacks', async () => {
      factory = await startFactory();
      await expectSwitched([
        expect.stringMatching(
          /^4 images without an override would be pulled from .*\/mirror, where they do not exist: /,
        ),
      ]);
    });

    it('warns about the default Docker Hub connector: the nodes need their own pull rights', async () => {
      await startWith([dockerConnector('harnessImage', 'https://index.docker.io/v2/')]);
      await expectSwitched([
        `connector account.harnessImage is for docker.io: Harness uses the images as written, but the nodes need rights of their own to pull from ${factory.target.host}`,
      ]);
    });

    it("warns about a connector for a host that is only part of our registry's name", async () => {
      await startWith([dockerConnector('harnessImage', 'http://127.0.0.1')]);
      await expectSwitched([expect.stringContaining('is for 127.0.0.1')]);
    });

    it('warns when account.harnessImage is missing', async () => {
      await startWith([]);
      await expectSwitched([
        expect.stringMatching(/^there is no connector account\.harnessImage: .*the nodes need rights/),
      ]);
    });

    it('warns when account.harnessImage is of another type: Harness then uses images as written', async () => {
      await startWith([{ identifier: 'harnessImage', name: 'x', type: 'Gcp', spec: {} }]);
      await expectSwitched([expect.stringMatching(/^connector account\.harnessImage is of type Gcp: /)]);
    });

    it('warns when the key may not see account.harnessImage', async () => {
      const key: KeyGrant = {
        key: 'sat.embedded.sync.secret-sync',
        accountId: 'embedded',
        permissions: ['core_account_view', 'core_account_edit'],
      };
      await startWith([dockerConnector('harnessImage', 'https://elsewhere.example')], { harness: { keys: [key] } });
      await expectSwitched([
        expect.stringMatching(
          /^the connector of Harness's images could not be checked: .*harnessImage.*core_connector_view/,
        ),
      ]);
    });

    it.each(['https://us-docker.pkg.dev/gar-prod-setup/harness-public', 'http://127.0.0.1:1/v2/'])(
      'copies and does not switch when a connector at %s would make Harness pull something else',
      async (url) => {
        await startWith([dockerConnector('harnessImage', url)]);
        const copy = factory.copyOf('plugins/cache:1.10.12');
        await expectBlocked(
          `Harness would pull ${url.replace(/^https?:\/\/|\/$/g, '')}/${copy} instead of ${copy}`,
          `Give connector account.harnessImage the address http://${factory.registry}.`,
        );
      },
    );

    it('does not switch when Harness cannot parse the address of account.harnessImage', async () => {
      await startWith([dockerConnector('harnessImage', 'registry.example.com')]);
      await expectBlocked(
        'cannot read the address of connector account.harnessImage, "registry.example.com"',
        `http://${factory.registry}`,
      );
    });

    it('reads the connector once in a run that switches nothing', async () => {
      factory = await startFactory();
      await factory.sync(choice);
      factory.harness.requests.length = 0;
      await factory.sync(choice);
      expect(factory.harness.requests.filter(({ path }) => path.includes('/connectors/'))).toHaveLength(1);
    });

    it("lets a restore write the user's own images back despite a wrong connector", async () => {
      factory = await startFactory();
      const account = factory.harness.state[factory.harness.accountId];
      if (account) account.ci.K8 = { cacheS3Tag: 'plugins/cache:1' };
      const { runId } = await factory.sync(choice);
      pullThrough(factory.harness, 'https://elsewhere.example');
      const report = await factory.run('restore', { restore_run: runId });
      expect(report.error).toBeUndefined();
      expect(factory.overrides()).toEqual({ cacheS3Tag: 'plugins/cache:1' });
    });
  });

  describe('CONTAINER_REGISTRY_CONNECTOR', () => {
    const environment = { CONTAINER_REGISTRY_CONNECTOR: 'account.mirror' };

    it('warns when the key may not see the configured connector', async () => {
      const key: KeyGrant = {
        key: 'sat.embedded.sync.secret-sync',
        accountId: 'embedded',
        permissions: ['core_account_view', 'core_account_edit'],
      };
      await startWith([], { environment, harness: { keys: [key] } });
      await expectSwitched([expect.stringMatching(/could not be checked: cannot read the connector mirror: /)]);
    });

    it('checks only the configured connector', async () => {
      await startWith([dockerConnector('harnessImage', 'https://elsewhere.example')], { environment });
      await expectBlocked('connector account.mirror does not exist', 'CONTAINER_REGISTRY_CONNECTOR');
    });

    it('keeps the password in its address to itself', async () => {
      await startWith([dockerConnector('mirror', 'https://user:secret@elsewhere.example')], { environment });
      await expectBlocked(
        'through connector account.mirror (https://elsewhere.example) Harness would pull',
        `Give connector account.mirror the address http://${factory.registry}.`,
      );
    });
  });

  /** The fields by status of their image, for a report's `pulls`. */
  function pulled({ pulls = [] }: Report): Record<string, string> {
    return Object.fromEntries(
      pulls.flatMap(({ reference, status, fields }) => fields.map((field) => [field, `${status} ${reference}`])),
    );
  }

  describe('the images that Harness would pull', () => {
    it('resolves overridden and other fields of K8 and VM, and looks up those at our registry alone', async () => {
      await startWith([dockerConnector('harnessImage', 'https://index.docker.io/v2/')]);
      const input = { infrastructure_type: ['K8', 'VM'], exclude_fields: ['securityTag'] };
      const copy = (image: string) => factory.copyOf(image);
      const excluded = { 'ci K8 securityTag': 'elsewhere docker.io/harness/sto-plugin:latest' };
      // A sync leaves out what few accounts can use.
      const rest = {
        ...excluded,
        'ci K8 addonTagRootless': 'elsewhere docker.io/harness/ci-addon:rootless-1.18.22',
        'ci K8 liteEngineTagRootless': 'elsewhere docker.io/harness/ci-lite-engine:rootless-1.18.22',
      };
      const fields = {
        'ci K8 addonTag': 'harness/ci-addon:1.18.22',
        'ci K8 liteEngineTag': 'harness/ci-lite-engine:1.18.22',
        'ci K8 gitCloneTag': 'harness/drone-git:1.7.25-rootless',
        'ci K8 cacheGCSTag': 'plugins/cache:1.10.12',
        'ci K8 cacheS3Tag': 'plugins/cache:1.10.12',
        'ci VM gitCloneTag': 'harness/drone-git:1.7.25',
        'ci VM cacheS3Tag': 'plugins/cache:1.10.12',
      };
      const as = (status: string) =>
        Object.fromEntries(Object.entries(fields).map(([field, image]) => [field, `${status} ${copy(image)}`]));
      expect(pulled(await factory.run('plan', input))).toEqual({ ...as('planned'), ...rest });
      expect(pulled(await factory.sync(input))).toEqual({ ...as('present'), ...excluded });
      expect(pulled(await factory.run('verify', input))).toEqual({ ...as('present'), ...rest });
      expect(pulled(await factory.sync(input))).toEqual({ ...as('present'), ...excluded });
    });

    it('costs no request for an image that the run has looked up', async () => {
      factory = await startFactory();
      await factory.sync({ include_windows_rootless: true });
      factory.target.requests.length = 0;
      const report = await factory.sync({ include_windows_rootless: true });
      expect(new Set(report.pulls?.map(({ status }) => status))).toEqual(new Set(['present']));
      const names = factory.target.requests.filter(({ path }) => path.includes('/manifests/')).map(({ path }) => path);
      expect(names).toHaveLength(new Set(names).size);
      expect(names).toHaveLength(report.totals.images);
    });

    it('costs a nightly sync one HEAD at our registry for each image that it leaves out, and nothing at the sources', async () => {
      factory = await startFactory({ harness: { profile: 'saas-2026' } });
      const choice = { include_sets: 'core' };
      await factory.sync(choice);
      factory.target.requests.length = 0;
      factory.source.requests.length = 0;
      const { totals, pulls = [] } = await factory.sync(choice);
      const leftOut = pulls.filter(({ official }) => official !== undefined);
      expect(leftOut.map(({ status }) => status)).toEqual(leftOut.map(() => 'missing'));
      expect(leftOut.length).toBeGreaterThan(30);
      expect(factory.source.requests).toHaveLength(totals.images);
      expect(factory.target.requests).toHaveLength(totals.images + leftOut.length);
      expect(new Set(factory.target.requests.map(({ method }) => method))).toEqual(new Set(['HEAD']));
    });

    it.each(['plan', 'sync', 'verify'])(
      'lists what a connector without the prefix makes pods miss: %s',
      async (action) => {
        factory = await startFactory();
        await factory.sync();
        pullThrough(factory.harness, `http://${factory.target.host}`);
        factory.harness.setDefault('ci', 'K8', 'newTag', 'plugins/new:1');
        const report = await factory.run(action, { exclude_fields: ['newTag'] });
        expect(report.warnings).toEqual([
          `connector account.harnessImage is http://${factory.target.host}. Images without an override would be pulled from ${factory.target.host}/…, where these do not exist: plugins/new:1. Set it to http://${factory.registry}. With "manage_connector": true, sync does it.`,
        ]);
        expect(pulled(report)).toMatchObject({ 'ci K8 newTag': `missing ${factory.target.host}/plugins/new:1` });
      },
    );

    it('warns when the connector was moved after the switch and nothing is left to switch', async () => {
      factory = await startFactory();
      await factory.sync();
      pullThrough(factory.harness, 'https://elsewhere.example/x');
      const copy = factory.copyOf('harness/ci-addon:1.18.22');
      expect((await factory.sync()).warnings).toEqual([
        `through connector account.harnessImage (https://elsewhere.example/x) Harness pulls elsewhere.example/x/${copy} instead of ${copy}`,
      ]);
    });

    it('reports an image as unknown that the registry does not let the factory look up', async () => {
      factory = await startFactory();
      await factory.sync();
      pullThrough(factory.harness, `http://${factory.target.host}/other`);
      factory.target.faults.add({ match: { path: /\/other\//, times: 99 }, act: { status: 403 } });
      const report = await factory.run('plan', { exclude_fields: ['securityTag'] });
      expect(report.status).toBe('SUCCEEDED');
      expect(pulled(report)).toMatchObject({
        'ci K8 securityTag': `present ${factory.copyOf('harness/sto-plugin:latest')}`,
        'ci K8 addonTagRootless': `unknown ${factory.target.host}/other/harness/ci-addon:rootless-1.18.22`,
      });
    });

    it.each(['gar', 'ecr-public'] as const)(
      'gives the steps of a switch away from %s, and they work',
      async (connector) => {
        factory = await startFactory({ harness: { profile: 'saas-2026', connector } });
        const plan = await factory.run('plan');
        expect(plan).toMatchObject({
          status: 'SUCCEEDED',
          blocked: { reason: expect.stringContaining('Harness would pull') },
        });
        const report = await factory.sync();
        expect(report).toMatchObject({ error: { name: 'SwitchBlocked' }, totals: { failed: 0 } });
        expect(report.blocked?.steps).toEqual([
          'Done: the images are copied.',
          `Copy what else pods would pull from http://${factory.registry}: the other modules and infrastructure_type that you use, and images that no field names, with extra_sets (sto-scanners, cd-steps, ci-plugins).`,
          `Give connector account.harnessImage the address http://${factory.registry}. With "manage_connector": true, sync does it.`,
          'Run sync again.',
        ]);
        pullThrough(factory.harness, `http://${factory.registry}`);
        const moved = await factory.run('plan');
        expect(ownWarnings(moved)).toEqual([]);
        expect(moved.pulls?.filter(({ status }) => status !== 'present').flatMap(({ fields }) => fields)).toEqual([
          'ci K8 addonTagRootless',
          'ci K8 liteEngineTagRootless',
        ]);
        expect((await factory.sync()).status).toBe('SUCCEEDED');
      },
    );

    it('names the images that pods would miss after the change of the connector', async () => {
      factory = await startFactory({ harness: { connector: 'gar' } });
      const { blocked } = await factory.sync({ exclude_fields: ['securityTag'] });
      expect(blocked?.steps[1]).toMatch(/^Copy harness\/sto-plugin:latest too, /);
    });

    it('asks for other credentials when those of the connector are for another registry', async () => {
      factory = await startFactory({ harness: { connector: 'gar' } });
      const account = factory.harness.state[factory.harness.accountId];
      for (const { spec } of account?.connectors ?? []) spec['auth'] = { type: 'UsernamePassword' };
      const { blocked } = await factory.run('plan');
      expect(blocked?.steps[2]).toContain(`, with credentials for ${factory.target.host}.`);
    });
  });
});

describe('the advice on the connector', () => {
  let factory: Factory;
  afterEach(() => factory.close());

  const itself = 'With "manage_connector": true, sync does it.';

  async function start(profile: ProfileName, address?: (factory: Factory) => string): Promise<string> {
    factory = await startFactory({ harness: { profile } });
    const [connector] = factory.harness.state[factory.harness.accountId]?.connectors ?? [];
    if (!connector) throw new Error('the account has no connector');
    const url = address ? address(factory) : officialAddresses.gar;
    Object.assign(connector.spec, { dockerRegistryUrl: url, providerType: 'Other' });
    return url;
  }

  const print = async (action: string, input?: object) => summaryOf(await factory.run(action, input));

  /** Does what the printed plans say, and returns the input that they led to. */
  async function followAdvice(): Promise<object> {
    const manage = { manage_connector: true };
    const text = await print('plan', manage);
    const [, more] = /add (\{.*\}) to the input/.exec(text) ?? [];
    return more === undefined ? manage : { ...manage, ...(JSON.parse(more) as object) };
  }

  it.each([
    ...profileNames.map((profile) => [profile, 'Google Artifact Registry', undefined] as const),
    ['saas-2023', 'ECR Public', () => officialAddresses['ecr-public']],
    ['saas-2023', 'the host of the registry', ({ target }: Factory) => `http://${target.host}`],
  ] satisfies (readonly [ProfileName, string, ((factory: Factory) => string) | undefined])[])(
    'the printed advice leads an account of %s from a connector for %s to copies of everything that pods pull',
    async (profile, _, address) => {
      const before = await start(profile, address);
      const after = `http://${factory.registry}`;
      expect(await print('plan')).toContain(itself);
      const input = await followAdvice();
      expect(await print('plan', input)).toContain(`connector account.harnessImage: ${before} → ${after} (planned)`);
      expect(await print('sync', input)).toContain(`connector account.harnessImage: ${before} → ${after} (changed)`);
      const verified = await factory.run('verify', input);
      expect(verified.error).toBeUndefined();
      expect(new Set(verified.pulls?.map(({ status }) => status))).toEqual(new Set(['present']));
      expect(await print('plan', input)).toContain('SUCCEEDED (nothing to do)');
    },
  );

  it('advises nothing for a connector that has the address of the registry', async () => {
    await start('saas-2023', ({ registry }) => `http://${registry}`);
    for (const action of ['plan', 'sync', 'verify']) {
      const text = await print(action, { manage_connector: true });
      expect(text).not.toMatch(/account\.harnessImage/);
    }
  });
});
