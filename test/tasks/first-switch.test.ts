import { afterEach, describe, expect, it } from '@jest/globals';
import { tasks } from '../../infra/local/tasks.ts';
import { FactoryError } from '../../functions/errors.ts';
import type { Notification, Report } from '../../functions/state/documents.ts';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { type Factory, type FactoryOptions, imageStatuses, k8Images, startFactory, statuses } from './factory.ts';

const schedule = 'arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly';
const cache = 'plugins/cache:1.10.12';
const choice = { include_fields: ['cacheS3Tag'] };

let factory: Factory;
let notified: Notification[];
const original = { ...tasks };
afterEach(async () => {
  Object.assign(tasks, original);
  await factory.close();
});

/** Starts a factory as a deployment has it. */
async function deployed(options: FactoryOptions = {}): Promise<void> {
  notified = [];
  factory = await startFactory({
    startCommand: (input) => `start ${JSON.stringify(input)}`,
    notify: async (notification) => void notified.push(notification),
    ...options,
  });
}

/** Runs the workflow as the schedule starts it. */
const night = (input: object = choice) => factory.run('', { ...input, started_by_schedule: schedule });
const setOverrides = (overrides: Images) => {
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = { ...overrides };
};

function expectHeld(report: Report, fields: string[]): void {
  expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'sync', awaiting: { command: expect.any(String) } });
  const planned = Object.entries(statuses(report)).flatMap(([field, status]) => (status === 'planned' ? field : []));
  expect(planned.toSorted()).toEqual(fields);
}

describe('a scheduled run before the first sync of a person', () => {
  it('copies, and reports what it would switch and how to switch', async () => {
    await deployed();
    const report = await night({});
    expect(imageStatuses(report)).toEqual(Object.fromEntries(k8Images.map((image) => [image, 'copied'])));
    expectHeld(
      report,
      ['addonTag', 'cacheGCSTag', 'cacheS3Tag', 'gitCloneTag', 'liteEngineTag', 'securityTag']
        .map((name) => `ci K8 ${name}`)
        .toSorted(),
    );
    expect(report.config.find(({ field }) => field === 'cacheS3Tag')).toMatchObject({
      from: null,
      to: factory.copyOf(cache),
    });
    expect(report.awaiting).toEqual({
      reason:
        'Harness was not switched at ci K8: the schedule started this run, ' +
        `and Harness uses no copy at ${factory.registry} there yet. ` +
        'Once a person has switched it, scheduled runs switch too. With AUTO_SWITCH=always, they do not wait for that.',
      command: 'start {}',
    });
    expect(report.input).toEqual({});
    expect(factory.writes()).toEqual([]);
    const [{ text } = { text: '' }] = notified;
    expect(text).toContain(`sync SUCCEEDED\n\n${report.awaiting?.reason}\nTo switch: start {}\n\n`);
    expect(text).toContain(`planned ci K8 cacheS3Tag: Harness's own -> ${factory.copyOf(cache)}`);
  });

  it('names the input of the schedule for the switch', async () => {
    await deployed();
    expect((await night()).awaiting?.command).toBe('start {"include_fields":["cacheS3Tag"]}');
  });

  it('switches with AUTO_SWITCH=always', async () => {
    await deployed({ environment: { AUTO_SWITCH: 'always' } });
    expect(statuses(await night())).toEqual({ 'ci K8 cacheS3Tag': 'updated' });
  });

  it('reports no switch when it is to copy only', async () => {
    await deployed();
    const report = await night({ ...choice, modify_default: false });
    expect(report).not.toHaveProperty('awaiting');
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'unchanged' });
  });

  it('still switches nothing after a first sync that failed', async () => {
    await deployed();
    Object.assign(tasks, {
      VerifyFunction: async () => {
        throw new FactoryError('VerificationFailed', 'it differs', { hint: '' });
      },
    });
    expect(await factory.sync(choice)).toMatchObject({ status: 'FAILED' });
    Object.assign(tasks, original);
    const writes = factory.writes().length;
    expectHeld(await night(), ['ci K8 cacheS3Tag']);
    expect(factory.writes()).toHaveLength(writes);
  });

  it('still switches nothing after a person copied or planned', async () => {
    await deployed();
    await factory.sync({ ...choice, modify_default: false });
    await factory.run('plan', choice);
    expectHeld(await night(), ['ci K8 cacheS3Tag']);
  });

  it("leaves a person's own overrides alone, and does not take them for a switch", async () => {
    await deployed({ prefix: '' });
    setOverrides({ gitCloneTag: `${factory.target.host}/team/git:1` });
    expectHeld(await night(), ['ci K8 cacheS3Tag']);
  });

  it('needs no connector that only a switch needs', async () => {
    await deployed({ harness: { profile: 'saas-2026', connector: 'gar' } });
    expectHeld(await night(), ['ci K8 cacheS3Tag']);
    expect(await factory.sync(choice)).toMatchObject({ error: { name: 'SwitchBlocked' } });
  });
});

describe('a scheduled run after the first sync of a person', () => {
  it('switches what is new', async () => {
    await deployed();
    await factory.sync(choice);
    const report = await night({});
    expect(report).not.toHaveProperty('awaiting');
    expect(statuses(report)).toMatchObject({ 'ci K8 cacheS3Tag': 'unchanged', 'ci K8 addonTag': 'updated' });
  });

  it('switches when the state is lost, since Harness uses the copies', async () => {
    await deployed();
    setOverrides({ cacheS3Tag: factory.copyOf('plugins/cache:1.10.1') });
    expect(statuses(await night())).toEqual({ 'ci K8 cacheS3Tag': 'updated' });
  });

  it('switches no infrastructure type that no person has switched', async () => {
    await deployed();
    await factory.sync(choice);
    setOverrides({ cacheS3Tag: factory.copyOf('plugins/cache:1.10.1') });
    const report = await night({ ...choice, infrastructure_type: ['K8', 'VM'] });
    expect(statuses(report)).toEqual({ 'ci K8 cacheS3Tag': 'updated', 'ci VM cacheS3Tag': 'planned' });
    expect(report.awaiting?.reason).toContain('was not switched at ci VM:');
    expect(factory.overrides('ci', 'VM')).toEqual({});
  });

  it('does not switch back after a reset, until a person does', async () => {
    await deployed();
    await factory.sync(choice);
    await factory.run('reset');
    expectHeld(await night(), ['ci K8 cacheS3Tag']);
    await factory.sync(choice);
    setOverrides({ cacheS3Tag: factory.copyOf('plugins/cache:1.10.1') });
    expect(statuses(await night())).toEqual({ 'ci K8 cacheS3Tag': 'updated' });
  });
});

describe('the mark of the schedule', () => {
  it('has no place outside a deployment', async () => {
    await deployed({ startCommand: undefined });
    await expect(night()).resolves.toMatchObject({
      error: { name: 'InvalidInput', problems: [{ path: '$.started_by_schedule' }] },
    });
  });

  it.each([true, '', null, ['x']])('cannot be %j', async (mark) => {
    await deployed();
    expect(await factory.run('', { ...choice, started_by_schedule: mark })).toMatchObject({
      error: { name: 'InvalidInput', problems: [{ path: '$.started_by_schedule' }] },
    });
    expect(factory.writes()).toEqual([]);
  });
});

describe('an upgrade of a deployment whose copies are at the root of its registry', () => {
  const former = async (version: string) => {
    await deployed({ prefix: 'harness-ci', environment: (host) => ({ FORMER_REGISTRY: host }) });
    const old = `${factory.target.host}/plugins/cache:${version}`;
    setOverrides({ cacheS3Tag: old });
    return old;
  };

  it('leaves Harness at the old copies at night, and names both ways on', async () => {
    const old = await former('1.10.1');
    const report = await night();
    expect(imageStatuses(report)).toEqual({ [cache]: 'copied' });
    expectHeld(report, ['ci K8 cacheS3Tag']);
    expect(factory.overrides()).toEqual({ cacheS3Tag: old });
    expect(report.awaiting?.reason).toContain(`To keep them there, deploy with REGISTRY_NAME=${factory.target.host}.`);
    expect(report.awaiting?.command).toBe('start {"include_fields":["cacheS3Tag"]}');
  });

  it("moves Harness by a person's sync, after which scheduled runs switch", async () => {
    const old = await former('1.10.12');
    expect((await factory.sync(choice)).config).toMatchObject([
      { status: 'updated', from: old, to: `${factory.target.host}/harness-ci/plugins/cache:1.10.12` },
    ]);
    expect(statuses(await night({}))).toMatchObject({ 'ci K8 addonTag': 'updated' });
  });

  it('gives Harness its own images back by a reset', async () => {
    await former('1.10.1');
    expect(statuses(await factory.run('reset'))).toEqual({ 'ci K8 cacheS3Tag': 'reset' });
    expect(factory.overrides()).toEqual({});
  });
});
