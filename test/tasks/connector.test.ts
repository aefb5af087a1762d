import { afterEach, describe, expect, it } from '@jest/globals';
import type { KeyGrant } from '../../infra/local/embedded/harness-api/authentication.ts';
import { type Factory, type FactoryOptions, pullThrough, startFactory } from './factory.ts';

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

async function expectRefused(message: string, hint: string): Promise<void> {
  const report = await factory.sync(choice);
  expect(report.error).toMatchObject({
    name: 'InvalidConfiguration',
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
  expect(factory.target.storage.repositories()).toEqual([]);
  expect(factory.overrides()).toEqual({});
}

describe('the default connector account.harnessImage', () => {
  it('accepts a connector for our registry', async () => {
    factory = await startFactory();
    await expectSwitched();
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
    'ends the run before any copy when a connector at %s would make Harness pull something else',
    async (url) => {
      await startWith([dockerConnector('harnessImage', url)]);
      const copy = factory.copyOf('plugins/cache:1.10.12');
      await expectRefused(
        `Harness would pull ${url.replace(/^https?:\/\/|\/$/g, '')}/${copy} instead of ${copy}`,
        `https://${factory.target.host}`,
      );
    },
  );

  it('ends the run when Harness cannot parse the address of account.harnessImage', async () => {
    await startWith([dockerConnector('harnessImage', 'registry.example.com')]);
    await expectRefused(
      'cannot read the address of connector account.harnessImage, "registry.example.com"',
      'https://',
    );
  });

  it('does not read the connector when nothing is switched', async () => {
    factory = await startFactory();
    await factory.sync(choice);
    factory.harness.requests.length = 0;
    await factory.sync(choice);
    expect(factory.harness.requests.filter(({ path }) => path.includes('/connectors/'))).toEqual([]);
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
    await expectRefused('connector account.mirror does not exist', 'CONTAINER_REGISTRY_CONNECTOR');
  });

  it('keeps the password in its address to itself', async () => {
    await startWith([dockerConnector('mirror', 'https://user:secret@elsewhere.example')], { environment });
    await expectRefused(
      'through connector account.mirror (https://elsewhere.example) Harness would pull',
      'Give the connector the address',
    );
  });
});
