import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Report } from '../../functions/state/documents.ts';
import type { Check } from '../../functions/state/documents/checks.ts';
import { doctor } from '../../infra/local/doctor.ts';
import type { Permission } from '../../infra/local/embedded/harness-api/authentication.ts';
import { FileStore } from '../../infra/local/file-store.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { checksOfRuntime, nameOf } from '../doctor/check-names.ts';
import { type Factory, type FactoryOptions, startFactory } from '../tasks/factory.ts';

let factory: Factory;
let folder: string;
let environment: Record<string, string>;

async function start(options: FactoryOptions = {}): Promise<void> {
  factory = await startFactory(options);
  environment = {
    HARNESS_URL: factory.harness.url,
    HARNESS_API_KEY: factory.harness.apiKey,
    SOURCE_REGISTRY: factory.source.host,
    REGISTRY_NAME: factory.registry,
    DOCKER_CONFIG: folder,
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'factory-doctor-'));
});
afterEach(async () => {
  await factory.close();
  await rm(folder, { recursive: true, force: true });
});

const examine = (more: Record<string, string> = {}, options: { input?: string; state?: string } = {}) =>
  doctor({ state: join(folder, 'state'), ...options }, { ...environment, ...more }, new AbortController().signal);

/** The checks by name, without the addresses in names. */
const byName = ({ checks = [] }: Report) =>
  Object.fromEntries(checks.map((check) => [nameOf(check), check])) as Record<string, Check>;

const failing = (report: Report) =>
  Object.values(byName(report))
    .filter(({ status }) => status === 'failed')
    .map(nameOf);

const everyCheck = checksOfRuntime.toSpliced(1, 0, 'configuration', 'input', 'credentials');

describe('a machine and an account where all is well', () => {
  beforeEach(() => start());

  it('passes every check', async () => {
    const report = await examine();
    expect(Object.keys(byName(report))).toEqual(everyCheck);
    expect(report.checks?.map(({ status }) => status)).toEqual(everyCheck.map(() => 'ok'));
    expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'doctor' });
    expect(report).not.toHaveProperty('error');
  });

  it('describes the key, its permissions, the account, the connector and what it resolves', async () => {
    const { key, account, connector } = byName(await examine());
    expect(key?.message).toBe(
      'service account token of account embedded; it has core_account_view, core_account_edit, core_connector_view, core_connector_edit',
    );
    expect(account?.message).toBe('embedded: ci K8 has 8 images, 0 of them overridden');
    expect(connector?.message).toBe(
      `connector account.harnessImage (DockerRegistry, Anonymous) is http://${factory.registry}: harness/ci-addon:1.18.22 is pulled as ${factory.copyOf('harness/ci-addon:1.18.22')}`,
    );
  });

  it('writes nothing to Harness, and leaves nothing at the registry', async () => {
    await examine();
    expect(factory.writes()).toEqual([]);
    expect(factory.target.storage.repositories()).toEqual([]);
    const pushes = factory.target.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD');
    expect(pushes.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
  });

  it('keeps no document of itself', async () => {
    await examine();
    expect(await readdir(join(folder, 'state'))).not.toContain('runs');
  });

  it('needs a few seconds at most', async () => {
    const { totals } = await examine();
    expect(totals.durationMs).toBeLessThan(10_000);
  });
});

/** Each check, with the change that makes it fail, and it alone. */
const broken: Record<
  string,
  {
    options?: FactoryOptions;
    change?: () => unknown;
    more?: () => Record<string, string>;
    input?: string;
    message: RegExp;
    cure: RegExp;
  }
> = {
  configuration: {
    more: () => ({ MAX_CONCURRENCY: 'many' }),
    message: /MAX_CONCURRENCY: found "many"; allowed: a whole number from 1 to 40/,
    cure: /Correct the environment variables/,
  },
  input: { input: '{"prune": 1}', message: /\$\.prune: found 1; allowed: true or false/, cure: /Correct the input/ },
  credentials: {
    change: () => writeFile(join(folder, 'config.json'), '{"auths": '),
    message: /config\.json: it is not JSON/,
    cure: /\S/,
  },
  certificates: {
    more: () => ({ NODE_EXTRA_CA_CERTS: '/nowhere/ca.pem' }),
    message: /the file in NODE_EXTRA_CA_CERTS is not used/,
    cure: /Correct NODE_EXTRA_CA_CERTS: \/nowhere\/ca\.pem cannot be read/,
  },
  proxy: {
    // Another source serves the images.
    more: () => ({ HTTPS_PROXY: 'socks5://proxy:1080', SOURCE_REGISTRY: `${factory.source.host},registry.invalid` }),
    message: /HTTPS_PROXY is not the address of a proxy: proxies of type socks5 are not supported/,
    cure: /Set HTTPS_PROXY to http:\/\/host:port/,
  },
  Harness: {
    more: () => ({ HARNESS_URL: 'http://127.0.0.1:1' }),
    message: /connection refused \(ECONNREFUSED\)/,
    cure: /Check the host and port/,
  },
  key: {
    more: () => ({ HARNESS_API_KEY: 'sat.embedded.key.wrong-secret' }),
    message: /HarnessUnauthorized: .* returned 401/,
    cure: /\S/,
  },
  connector: {
    options: { harness: { connector: 'gar' } },
    message:
      /harness\/ci-addon:1\.18\.22 is pulled as us-docker\.pkg\.dev\/\S+; its copy \S+ would be pulled as us-docker\.pkg\.dev/,
    cure: /Give connector account\.harnessImage the address https:\/\/127\.0\.0\.1:\d+\/mirror, or run sync with "manage_connector": true/,
  },
  source: {
    more: () => ({ SOURCE_REGISTRY: '127.0.0.1:1' }),
    message: /RegistryUnreachable: .*127\.0\.0\.1:1/,
    cure: /\S/,
  },
  target: {
    change: () =>
      factory.target.faults.add({
        match: { method: 'POST', path: /uploads/, times: 9 },
        act: { status: 403, body: JSON.stringify({ errors: [{ code: 'DENIED', message: 'push is not allowed' }] }) },
      }),
    message: /RegistryForbidden: .*push is not allowed/,
    cure: /\S/,
  },
};

describe.each(Object.entries(broken))(
  'a failed check of %s',
  (name, { options, change, more, input, message, cure }) => {
    it('fails alone, and has its cure', async () => {
      await start(options);
      await change?.();
      const file = join(folder, 'input.json');
      if (input !== undefined) await writeFile(file, input);
      const report = await examine(more?.(), input === undefined ? {} : { input: file });
      expect(failing(report)).toEqual([name]);
      const found = byName(report)[name];
      expect(found?.message).toMatch(message);
      expect(found?.cure).toMatch(cure);
      expect(report).toMatchObject({ status: 'FAILED', error: { name: 'ChecksFailed' } });
      expect(summaryOf(report)).toMatch(new RegExp(`\\nfailed {3}${name}\\b.*\\n {9}Cure: \\S`));
    });
  },
);

it('fails for a state that cannot be written', async () => {
  await start();
  await writeFile(join(folder, 'file'), '');
  const report = await examine({}, { state: join(folder, 'file/state') });
  expect(failing(report)).toEqual(['state']);
  expect(byName(report)['state']?.cure).toBeDefined();
});

it('fails for a key without the permissions that its runs take, and names them', async () => {
  const permissions: Permission[] = ['core_account_view', 'core_connector_view'];
  const keys = [{ key: 'sat.embedded.key.secret-of-key', accountId: 'embedded', permissions }];
  await start({ harness: { keys } });
  const report = await examine();
  expect(failing(report)).toEqual(['key']);
  expect(byName(report)['key']).toMatchObject({
    message: expect.stringMatching(/it has core_account_view, core_connector_view, but lacks core_account_edit$/),
    cure: "Give the key's user or service account a role with core_account_edit in the account.",
  });
  // Copying alone does not take it.
  expect(failing(await examine({ MODIFY_DEFAULT: 'false' }))).toEqual([]);
});

it('takes the failure of one source as a warning while another serves the image', async () => {
  await start();
  const report = await examine({ SOURCE_REGISTRY: `127.0.0.1:1,${factory.source.host}` });
  expect(report.status).toBe('SUCCEEDED');
  const sources = report.checks?.filter(({ name }) => name.startsWith('source'));
  expect(sources?.map(({ status }) => status)).toEqual(['warning', 'ok']);
});

it('names the run that holds the lock', async () => {
  await start();
  const store = new FileStore(join(folder, 'state'));
  await store.prepare();
  const now = new Date().toISOString();
  const expiresAt = new Date(Date.now() + 600_000).toISOString();
  const lock = { runId: '20261129T020004Z-1a2b3c', action: 'sync', since: now, renewedAt: now, expiresAt };
  await store.put('locks/embedded.json', Buffer.from(JSON.stringify(lock)));
  expect(byName(await examine())['state']).toMatchObject({
    status: 'warning',
    message: expect.stringContaining('run 20261129T020004Z-1a2b3c (sync) has held the lock'),
  });
});

describe('a machine where everything is broken', () => {
  const secrets = ['topsecret-of-key', 'topsecret-of-docker', 'topsecret-of-proxy'];

  it('still prints every line, and no secret', async () => {
    await start();
    const auth = Buffer.from('user:topsecret-of-docker').toString('base64');
    await writeFile(join(folder, 'config.json'), `{"auths": {"127.0.0.1:1": {"auth": "${auth}"}}`);
    const report = await examine(
      {
        HARNESS_URL: 'http://127.0.0.1:1',
        HARNESS_API_KEY: `"sat.embedded.key.${secrets[0]}`,
        HTTPS_PROXY: `socks5://user:${secrets[2]}@proxy:1080`,
        NODE_EXTRA_CA_CERTS: '/nowhere',
        SOURCE_REGISTRY: '127.0.0.1:1,registry.invalid',
        REGISTRY_NAME: '127.0.0.1:1/mirror',
        MAX_CONCURRENCY: 'many',
      },
      { state: '/proc/nowhere', input: join(folder, 'no-such-file.json') },
    );
    expect(Object.keys(byName(report))).toEqual(everyCheck);
    const printed = summaryOf(report) + JSON.stringify(report);
    for (const secret of [...secrets, auth]) expect(printed).not.toContain(secret);
    for (const { status, name, cure } of report.checks ?? [])
      if (status === 'failed') expect([name, cure]).toEqual([name, expect.stringMatching(/\S/)]);
    expect(failing(report)).toEqual(
      expect.arrayContaining([
        'configuration',
        'input',
        'credentials',
        'proxy',
        'certificates',
        'Harness',
        'source',
        'target',
        'state',
      ]),
    );
  });

  it('shows no key that Harness refused', async () => {
    await start();
    const report = await examine({ HARNESS_API_KEY: 'sat.embedded.key.topsecret-of-key' });
    expect(summaryOf(report) + JSON.stringify(report)).not.toContain('topsecret-of-key');
  });
});

it('prints a line for each check that fits a terminal, with the cure below it', async () => {
  await start();
  const text = summaryOf(await examine({ SOURCE_REGISTRY: '127.0.0.1:1' }), { screen: { columns: 80 } });
  expect(text).toMatch(/^doctor \S+: FAILED\n\nok {7}Node\.js: /);
  const wide = text.split('\n').filter((line) => line.length > 80 && line.trim().includes(' '));
  expect(wide).toEqual([]);
  expect(text).toMatch(/ {9}Cure: /);
});
