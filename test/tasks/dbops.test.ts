import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Factory, startFactory, statuses } from './factory.ts';

let factory: Factory;
beforeEach(async () => {
  factory = await startFactory({ harness: { profile: 'saas-2026' } });
});
afterEach(() => factory.close());

const modules = ['dbops'];
const root = '/v1/dbops/execution-config';

/** The overrides of a complete switch. */
function copies(): Record<string, string> {
  const { dbops = {} } = factory.harness.defaults;
  return Object.fromEntries(Object.entries(dbops).map(([field, image]) => [field, factory.copyOf(image)]));
}

const paths = () => factory.harness.requests.map(({ path }) => path).filter((path) => path.includes('dbops'));

describe('Database DevOps', () => {
  it('switches to the copies, verifies them, and resets, through the gateway', async () => {
    const report = await factory.sync({ modules });
    expect(report.error).toBeUndefined();
    expect(statuses(report)).toEqual({
      'dbops K8 artifactoryTag': 'updated',
      'dbops K8 defaultTag': 'updated',
      'dbops K8 gitCloneTag': 'updated',
      'dbops K8 mongoTag': 'updated',
      'dbops K8 spannerTag': 'updated',
    });
    expect(factory.overrides('dbops')).toEqual(copies());
    expect(factory.arrived('plugins/drone-liquibase:1.18.0-4.33-mongo')).toBe(
      factory.official('plugins/drone-liquibase:1.18.0-4.33-mongo'),
    );
    expect((await factory.run('verify', { modules })).error).toBeUndefined();
    expect(statuses(await factory.sync({ modules }))).toMatchObject({ 'dbops K8 defaultTag': 'unchanged' });
    expect((await factory.run('reset', { modules })).error).toBeUndefined();
    expect(factory.overrides('dbops')).toEqual({});
    expect(new Set(paths().map((path) => path.slice(0, path.lastIndexOf('/'))))).toEqual(new Set([`/gateway${root}`]));
  });

  it('names the account in a header, and neither account nor infrastructure in the address', async () => {
    await factory.run('plan', { modules });
    const requests = factory.harness.requests.filter(({ path }) => path.includes('dbops'));
    expect(requests.map(({ query }) => query)).toEqual(expect.arrayContaining([{}, { overridesOnly: 'true' }]));
    for (const { query } of requests) expect(Object.keys(query)).not.toContain('accountIdentifier');
  });

  it('falls back to the path without the gateway, and tries the gateway once only', async () => {
    factory.harness.quirks.absentPaths = [`/gateway/v1/`];
    const report = await factory.sync({ modules });
    expect(report.error).toBeUndefined();
    expect(factory.overrides('dbops')).toEqual(copies());
    const inVain = paths().filter((path) => path.startsWith('/gateway'));
    // The first two requests run at the same time; each task has a client of its own.
    expect(inVain.length).toBeLessThan(paths().length / 2);
    await factory.run('reset', { modules });
    expect(factory.overrides('dbops')).toEqual({});
  });

  it('puts its overrides back when a later module fails', async () => {
    const before = { mongoTag: 'plugins/drone-liquibase:1.0.0-mongo' };
    Object.assign(factory.harness.state[factory.harness.accountId]?.dbops ?? {}, before);
    factory.harness.quirks.failNext = [{ count: 9, status: 503, path: '/ci/execution-config/update-config' }];
    const report = await factory.sync({
      modules: ['dbops', 'ci'],
      include_fields: ['mongoTag', 'defaultTag', 'addonTag'],
    });
    expect(report.error).toMatchObject({ name: 'HarnessUnreachable' });
    expect(statuses(report)).toMatchObject({ 'dbops K8 mongoTag': 'rolled-back' });
    expect(factory.overrides('dbops')).toEqual(before);
  });

  it('restores the overrides of before a run', async () => {
    const { runId } = await factory.sync({ modules });
    await factory.run('restore', { restore_run: runId });
    expect(factory.overrides('dbops')).toEqual({});
  });

  it('rejects a field that it does not know, and switches the others', async () => {
    factory.harness.quirks.failNext = [
      { count: 1, status: 400, body: { message: 'Field x does not exist' }, path: 'dbops/execution-config/update' },
    ];
    const report = await factory.sync({ modules });
    expect(report.error).toBeUndefined();
    expect(factory.overrides('dbops')).toEqual(copies());
  });

  it('protects its copies from a prune of a run that serves other modules', async () => {
    await factory.sync({ modules });
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
      factory.publish([`plugins/cache:${version}`]);
      await factory.sync({ include_fields: ['plugins/cache'], pins: { 'plugins/cache': version } });
    }
    const report = await factory.sync({ include_fields: ['plugins/cache'], prune: true, keep_versions: 1 });
    expect(report.unused?.map(({ reference }) => reference)).toEqual(
      expect.arrayContaining([factory.copyOf('plugins/cache:1.0.0')]),
    );
    for (const copy of Object.values(copies())) {
      expect(report.unused?.map(({ reference }) => reference)).not.toContain(copy);
    }
  });

  it.each([
    ['a page', '<html>Log in</html>', 'text/html', 'HarnessUnexpectedResponse'],
    ['a list', ['x'], 'application/json', 'HarnessUnexpectedResponse'],
    ['nothing', undefined, 'text/plain', 'HarnessUnexpectedResponse'],
  ])('fails for a response that is %s', async (_, body, type, name) => {
    const canned = {
      count: 9,
      status: 200,
      body,
      headers: { 'content-type': type },
      path: 'dbops/execution-config/get-default',
    };
    factory.harness.quirks.failNext = [canned];
    expect((await factory.run('plan', { modules })).error).toMatchObject({ name });
  });
});

it('ends a run on an installation without Database DevOps before any write, and says what to do', async () => {
  await factory.close();
  factory = await startFactory({ harness: { profile: 'self-managed' } });
  const { error } = await factory.sync({ modules: ['ci', 'dbops'] });
  expect(error).toMatchObject({ hint: 'Leave dbops out of modules: this Harness does not serve it.' });
  expect(factory.writes()).toEqual([]);
});
