import { afterEach, describe, expect, it } from '@jest/globals';
import { report } from '../../functions/report/report.ts';
import { rollback } from '../../functions/rollback/rollback.ts';
import { lockSchema, type Lock } from '../../functions/state/lock.ts';
import { Patience } from '../../functions/runtime/patience.ts';
import { commandLine, stateMachine } from '../../functions/runtime/place.ts';
import { updateJson } from '../../functions/state/object-store.ts';
import { type Factory, type FactoryOptions, startFactory, statuses } from './factory.ts';

const before = { gitCloneTag: 'harness/drone-git:1.5.0' };
const hour = 3_600_000;
const reading = 'get-customer-config';
const anything = 'ci/execution-config';

let factory: Factory;
let notes: string[];
afterEach(() => factory.close());

async function start(options: FactoryOptions = {}): Promise<void> {
  notes = [];
  factory = await startFactory({ ...options, onNote: (message) => notes.push(message) });
  const account = factory.harness.state[factory.harness.accountId];
  if (account) account.ci.K8 = { ...before };
}

/**
 * Takes a copy away and breaks Harness when the switch is recorded: verify fails, and the rollback meets the failure.
 */
function breakAfterSwitch(path: string, { status = 503, count = 10_000 } = {}): void {
  factory.store.onPut = (key) => {
    if (!key.endsWith('/config.json')) return;
    factory.store.onPut = () => undefined;
    factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
    factory.harness.quirks.failNext = [{ count, status, path }];
  };
}

/** Mends Harness, or something else, when the rollback has said that it waits. */
function whenWaiting(act: (times: number) => void): NonNullable<FactoryOptions['onNote']> {
  let times = 0;
  return (message) => {
    if (message.startsWith('rollback:')) act(++times);
  };
}

async function startWaiting(act: (times: number) => void, options: FactoryOptions = {}): Promise<void> {
  const waiting = whenWaiting(act);
  await start({ patience: new Patience(2 * hour), ...options });
  const push = notes.push.bind(notes);
  notes.push = (...messages) => {
    for (const message of messages) waiting(message);
    return push(...messages);
  };
}

describe('a rollback while Harness is away', () => {
  it('waits while Harness is away, with a note of the limit, and rolls back when it responds again', async () => {
    await startWaiting((times) => {
      if (times === 3) factory.harness.quirks.failNext = [];
    });
    breakAfterSwitch(anything);
    const { error, ...sync } = await factory.sync();
    expect(error?.name).toBe('HarnessUnreachable');
    expect(factory.overrides()).toEqual(before);
    expect(new Set(Object.values(statuses({ ...sync })))).toEqual(new Set(['rolled-back']));
    const waits = notes.filter((note) => note.startsWith('rollback:'));
    expect(waits).toHaveLength(3);
    expect(waits[0]).toMatch(/retrying until 20\S+Z \(press Ctrl-C twice to give up\): cannot read the overrides/);
  });

  it('keeps its lock while it waits', async () => {
    let lock: Lock | undefined;
    const look = async () => (lock = await lockNow());
    await startWaiting((times) => {
      if (times === 1) void look().then(() => (factory.harness.quirks.failNext = []));
    });
    breakAfterSwitch(anything);
    const { runId } = await factory.sync();
    expect(lock?.runId).toBe(runId);
    expect(Date.parse(lock?.expiresAt ?? '') - Date.now()).toBeGreaterThan(25 * 60_000);
  });

  it('ends when its time is over, as a failure that names each field and how to restore it', async () => {
    await start({ place: stateMachine });
    breakAfterSwitch(anything);
    const { error, runId } = await factory.sync();
    expect(error?.name).toBe('RollbackFailed');
    expect(error?.message).toContain('ci K8 gitCloneTag may not be harness/drone-git:1.5.0: the run wrote ');
    expect(error?.hint).toContain(
      `start an execution of the state machine with {"action":"restore","restore_run":"${runId}"}`,
    );
  });

  it('ends when somebody gives up, with a report of what is left', async () => {
    const patience = new Patience(2 * hour);
    await startWaiting(() => void patience.giveUp(), { patience });
    breakAfterSwitch(anything);
    const { error } = await factory.sync();
    expect(error?.name).toBe('RollbackFailed');
    expect(patience.giveUp()).toBe(false);
  });

  it.each([
    [401, 'HarnessUnauthorized'],
    [403, 'HarnessForbidden'],
  ])('waits a quarter of an hour for a key that Harness refuses (%i), not longer', async (status) => {
    await startWaiting((times) => {
      // The first attempt was 16 minutes ago.
      if (times === 1) age(16);
    });
    breakAfterSwitch(anything, { status });
    expect((await factory.sync()).error?.name).toBe('RollbackFailed');
    expect(notes.filter((note) => note.startsWith('rollback:'))).toHaveLength(1);
  });

  it('counts its time from the first attempt', async () => {
    await startWaiting((times) => {
      if (times === 2) age(121);
    });
    breakAfterSwitch(anything);
    expect((await factory.sync()).error?.name).toBe('RollbackFailed');
    expect(notes.filter((note) => note.startsWith('rollback:'))).toHaveLength(2);
  });

  it('does not wait for a lock that another run has taken', async () => {
    await start({ patience: new Patience(2 * hour) });
    factory.store.onPut = async (key) => {
      if (!key.endsWith('/config.json')) return;
      factory.store.onPut = () => undefined;
      factory.target.storage.deleteTag('mirror/plugins/cache', '1.10.12');
      await updateJson(factory.store, 'locks/embedded.json', lockSchema, (lock) => lock && { ...lock, runId: 'other' });
    };
    expect((await factory.sync()).error?.name).toBe('RollbackFailed');
    expect(notes.filter((note) => note.startsWith('rollback:'))).toEqual([]);
  });
});

describe('a Harness that can be written, but not read', () => {
  it('writes to a Harness that cannot be read, and the error says that this was not checked', async () => {
    await start();
    breakAfterSwitch(reading);
    const { error } = await factory.sync();
    expect(factory.overrides()).toEqual(before);
    expect(error?.name).toBe('RollbackFailed');
    expect(error?.message).toMatch(/^the old values of these fields were written, not checked \(cannot read/);
    expect(error?.message).toContain('ci K8 addonTag was written, not checked: it may not be unset');
  });

  it('writes once, and checks until Harness can be read', async () => {
    let written = 0;
    await startWaiting((times) => {
      if (times === 1) written = factory.writes().length;
      if (times === 3) factory.harness.quirks.failNext = [];
    });
    breakAfterSwitch(reading);
    expect((await factory.sync()).error?.name).toBe('HarnessUnreachable');
    expect(factory.overrides()).toEqual(before);
    expect(factory.writes()).toHaveLength(written);
  });

  it('keeps what somebody else has changed after the old values were written', async () => {
    const theirs = 'acme/drone-git:9';
    await startWaiting((times) => {
      const account = factory.harness.state[factory.harness.accountId];
      if (times === 1 && account) account.ci.K8['gitCloneTag'] = theirs;
      if (times === 2) factory.harness.quirks.failNext = [];
    });
    breakAfterSwitch(reading);
    expect((await factory.sync()).error?.name).toBe('HarnessUnreachable');
    expect(factory.overrides()).toEqual({ gitCloneTag: theirs });
  });

  it('does not write to a module that the run had not reached', async () => {
    await start({ harness: { defaults: { idp: { K8: { cookieCutter: 'harness/cookiecutter:1' } } } } });
    factory.publish(['harness/cookiecutter:1']);
    factory.harness.quirks.failNext = [{ count: 2, status: 503, path: '/ci/execution-config/update-config' }];
    factory.store.onPut = (key) => {
      if (!key.endsWith('/config.json')) return;
      factory.harness.quirks.failNext = [{ count: 10_000, status: 503, path: reading }];
    };
    const { error } = await factory.sync({ modules: ['ci', 'idp'] });
    expect(error?.message).toContain('was written, not checked');
    expect(new Set(factory.writes().map(({ infra }) => infra))).toEqual(new Set(['ci K8']));
  });
});

describe('a rollback whose function did not run', () => {
  const crash = { Error: 'Runtime.ExitError', Cause: '{"errorMessage":"RequestId: 1 Error: signal: killed"}' };
  const verification = {
    Error: 'VerificationFailed',
    Cause: '{"name":"VerificationFailed","message":"lost","hint":"-"}',
  };

  it('reports a rollback whose function did not run as failed, with the written fields and how to restore', async () => {
    await start();
    const { runId } = await factory.sync();
    const state = { error: verification, rollbackError: crash };
    const { error, cause } = await factory.task(report, { runId, state });
    expect(error).toMatchObject({
      name: 'RollbackFailed',
      message: expect.stringMatching(/^these fields could not be put back \(FunctionCrashed: .*killed/),
      hint: expect.stringContaining(`factory restore --run ${runId}`),
    });
    const copy = factory.copyOf('harness/drone-git:1.7.25-rootless');
    expect(error?.message).toContain(`ci K8 gitCloneTag may not be ${before.gitCloneTag}: the run wrote ${copy}`);
    expect(error?.message).toContain('(after VerificationFailed: lost)');
    // What the console of Step Functions shows.
    expect(cause?.split('\n')[0]).toBe(error?.message);
    expect(cause).toContain(`\nNext: ${error?.hint}\nReport: ${factory.store.locate(`runs/${runId}/report.json`)}`);
  });

  it('succeeds again when it is repeated after a success', async () => {
    await start();
    breakAfterSwitch('nothing');
    const { runId } = await factory.sync();
    await updateJson(factory.store, 'locks/embedded.json', lockSchema, () => ({ runId, ...fresh() }));
    expect(await factory.task(rollback, { runId })).toEqual({ status: 'rolled-back' });
    expect(factory.overrides()).toEqual(before);
  });
});

describe('the place of a run', () => {
  it('leads to the state that the run used, as a shell reads it', () => {
    const place = commandLine(['--state', "/srv/the team's state"]);
    expect(place.restore('run-1')).toBe(
      String.raw`run "factory restore --run run-1 --state '/srv/the team'\''s state'"`,
    );
    expect(commandLine().findRuns).toBe('run "factory history"');
  });
});

async function lockNow(): Promise<Lock | undefined> {
  let now: Lock | null | undefined;
  await updateJson(factory.store, 'locks/embedded.json', lockSchema, (lock) => void (now = lock));
  return now ?? undefined;
}

function fresh() {
  const [now, later] = [new Date().toISOString(), new Date(Date.now() + 30 * 60_000).toISOString()];
  return { action: 'sync' as const, since: now, renewedAt: now, expiresAt: later };
}

/** Moves the first attempt of the rollback back by some minutes. */
function age(minutes: number): void {
  const get = factory.store.get.bind(factory.store);
  factory.store.get = async (key) => {
    const body = await get(key);
    if (!body) return body;
    const moved = (name: string, field: string) => {
      if (!key.endsWith(`/${name}.json`)) return undefined;
      const document = JSON.parse(new TextDecoder().decode(body)) as Record<string, string>;
      const time = new Date(Date.parse(document[field] ?? '') - minutes * 60_000).toISOString();
      return new TextEncoder().encode(JSON.stringify({ ...document, [field]: time }));
    };
    return moved('rollback', 'since') ?? moved('snapshot', 'takenAt') ?? body;
  };
}

it('keeps what the last attempt found, for a report that is written by another function', async () => {
  await start();
  breakAfterSwitch(reading);
  const { runId } = await factory.sync();
  expect(await factory.document(`runs/${runId}/rollback.json`)).toMatchObject({
    written: [{ module: 'ci', infrastructureType: 'K8' }],
    left: expect.arrayContaining([expect.stringContaining('ci K8 addonTag was written, not checked')]),
    reason: expect.stringContaining('cannot read'),
  });
});
