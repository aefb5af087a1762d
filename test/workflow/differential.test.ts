import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Definition, type RetryPauses, runWorkflow, type WorkflowOutcome } from '../../infra/local/engine.ts';
import { readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import { motoInstalled, type MotoEngine, startMotoEngine } from './moto-engine.ts';

/**
 * Every branch of the workflow, with scripted handlers, in both engines: the one of local runs, and moto's, which is
 * the nearest to Step Functions that runs without an account. Outcome, order of calls and payloads must agree.
 */
const definition = JSON.parse(readWorkflowDefinition()) as Definition;
/** Removes the waits before retries, as in moto's engine. */
const atOnce: RetryPauses = Object.fromEntries(allStates(definition).map(([name]) => [name, 0]));

function allStates({ States }: Definition): [string, Definition['States'][string]][] {
  return Object.entries(States).flatMap(([name, state]) => [
    [name, state],
    ...(state.ItemProcessor ? allStates(state.ItemProcessor) : []),
  ]);
}

type Script = Record<string, (payload: Record<string, unknown>, call: number) => unknown>;

interface Branch {
  does: string;
  input?: unknown;
  script?: Script;
  /** Calls in order: a function, with the image index for copies. */
  calls: string[];
  outcome: { status: 'SUCCEEDED'; output?: unknown } | { status: 'FAILED'; error: string };
}

const failing =
  (name: string, message = 'scripted') =>
  () => {
    throw Object.assign(new Error(JSON.stringify({ name, message, hint: 'none' })), { name });
  };
const planned = (more: object) => () => ({
  runId: 'run-1',
  route: 'copy',
  waves: [],
  maxConcurrency: 1,
  scan: false,
  prune: false,
  ...more,
});

/** A report as the real one: it fails when the state carries an error, and takes its name. */
function scriptedReport({ state }: Record<string, unknown>): unknown {
  const { error, rollbackError } = state as Record<string, { Error: string } | undefined>;
  const name = rollbackError?.Error ?? error?.Error;
  if (name === undefined) return { status: 'SUCCEEDED' };
  return { status: 'FAILED', error: { name, message: 'reported' }, cause: 'reported' };
}

const ordinary: Script = {
  Plan: planned({ waves: [[2], [0, 1]] }),
  Copy: () => ({ status: 'copied', waitSeconds: 0 }),
  Export: () => ({ status: 'exported', waitSeconds: 0 }),
  Scan: () => ({ status: 'done', waitSeconds: 0 }),
  Gate: () => ({ route: 'configure' }),
  Snapshot: () => ({ updates: 3, resets: 0 }),
  UpdateConfig: () => ({ status: 'updated' }),
  ResetConfig: () => ({ status: 'reset' }),
  Verify: () => ({ status: 'agrees' }),
  Prune: () => ({ deleted: 1 }),
  Rollback: () => ({ status: 'rolled-back' }),
  Report: scriptedReport,
};

const copies = ['Copy 2', 'Copy 0', 'Copy 1'];
const times = (n: number, call: string) => Array.from({ length: n }, () => call);
const succeeded = { status: 'SUCCEEDED' } as const;
const failed = (error: string) => ({ status: 'FAILED', error }) as const;

const branches: Branch[] = [
  {
    does: 'sync: copies wave by wave, snapshots, switches, verifies, reports',
    input: { action: 'sync' },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'sync with nothing to do: verifies without a switch',
    script: { Plan: planned({}), Gate: () => ({ route: 'verify' }) },
    calls: ['Plan', 'Gate', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'one image failing, on_partial_failure abort: the gate ends the run before the snapshot',
    script: {
      Copy: ({ image }) => ({ status: image === 0 ? 'failed' : 'copied', waitSeconds: 0 }),
      Gate: failing('ImagesFailed'),
    },
    calls: ['Plan', ...copies, 'Gate', 'Report'],
    outcome: failed('ImagesFailed'),
  },
  {
    does: 'one image failing, on_partial_failure update-succeeded: the switch continues',
    script: { Copy: ({ image }) => ({ status: image === 0 ? 'failed' : 'copied', waitSeconds: 0 }) },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a copy task that dies: its error reaches the gate, its siblings are copied',
    script: {
      Copy: ({ image }) => (image === 2 ? failing('Sandbox.OutOfMemory')() : { status: 'copied', waitSeconds: 0 }),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a copy that needs several invocations: waits and calls it again',
    script: {
      Plan: planned({ waves: [[4]] }),
      Copy: (_, call) => ({ status: call < 3 ? 'continue' : 'copied', waitSeconds: 0 }),
    },
    calls: ['Plan', 'Copy 4', 'Copy 4', 'Copy 4', 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'an export that needs several invocations: waits and calls it again',
    input: { action: 'export' },
    script: {
      Plan: planned({ route: 'export' }),
      Export: (_, call) => ({ status: call < 3 ? 'continue' : 'exported', waitSeconds: 0 }),
    },
    calls: ['Plan', 'Export', 'Export', 'Export', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'an export that fails: reports the error, and rolls nothing back',
    script: { Plan: planned({ route: 'export' }), Export: failing('StoreFailed') },
    calls: ['Plan', 'Export', 'Report'],
    outcome: failed('StoreFailed'),
  },
  {
    does: 'a scan gate: looks at the scans until all have ended, and then decides',
    script: {
      Plan: planned({ scan: true, waves: [[4]] }),
      Scan: (_, call) => ({ status: call < 3 ? 'continue' : 'done', waitSeconds: 0 }),
    },
    calls: ['Plan', 'Copy 4', 'Scan', 'Scan', 'Scan', 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a scan gate that lets tags move: those of the switch before it, the others after it',
    script: {
      Plan: planned({ scan: true, waves: [[4, 6, 7]], prune: true }),
      Gate: () => ({ route: 'configure', tags: [4], keptTags: [6, 7] }),
    },
    calls: [
      'Plan',
      'Copy 4',
      'Copy 6',
      'Copy 7',
      'Scan',
      'Gate',
      'Copy tags 4',
      'Snapshot',
      'UpdateConfig',
      'Verify',
      'Copy tags 6, 7',
      'Prune',
      'Report',
    ],
    outcome: succeeded,
  },
  {
    does: 'a switch that fails: the other tags do not move',
    script: {
      Plan: planned({ scan: true }),
      Gate: () => ({ route: 'configure', keptTags: [6] }),
      Verify: failing('VerificationFailed'),
    },
    calls: ['Plan', 'Scan', 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Rollback', 'Report'],
    outcome: failed('VerificationFailed'),
  },
  {
    does: 'tags that cannot be moved: the run goes on, and the report has the error',
    script: {
      Plan: planned({ scan: true }),
      Copy: failing('StoreFailed'),
      Gate: () => ({ route: 'verify', tags: [4], keptTags: [6] }),
      Report: ({ state }) => ({ status: 'SUCCEEDED', tagsError: (state as Record<string, object>)['tagsError'] }),
    },
    calls: ['Plan', 'Scan', 'Gate', 'Copy tags 4', 'Verify', 'Copy tags 6', 'Report'],
    outcome: { status: 'SUCCEEDED', output: { tagsError: { Error: 'StoreFailed' } } },
  },
  {
    does: 'a scan task that dies: the run ends before the snapshot',
    script: { Plan: planned({ scan: true }), Scan: failing('StoreFailed') },
    calls: ['Plan', 'Scan', 'Report'],
    outcome: failed('StoreFailed'),
  },
  {
    does: 'a function that is throttled for long: is called again',
    script: {
      Plan: (_, call) => (call <= 40 ? failing('Lambda.TooManyRequestsException')() : planned({})()),
      Gate: () => ({ route: 'verify' }),
    },
    calls: [...times(41, 'Plan'), 'Gate', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a function whose network Lambda took away: is called again until it is ready',
    script: {
      UpdateConfig: (_, call) => (call <= 10 ? failing('Lambda.ResourceNotReadyException')() : { status: 'updated' }),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', ...times(11, 'UpdateConfig'), 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a function that dies twice: is called again',
    script: {
      UpdateConfig: (_, call) => (call <= 2 ? failing('Sandbox.Timedout')() : { status: 'updated' }),
      Verify: (_, call) => (call <= 2 ? failing('Runtime.ExitError')() : { status: 'agrees' }),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', ...times(3, 'UpdateConfig'), ...times(3, 'Verify'), 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a function that dies each time: its error ends the run',
    script: { Snapshot: failing('Runtime.ExitError') },
    calls: ['Plan', ...copies, 'Gate', ...times(3, 'Snapshot'), 'Report'],
    outcome: failed('Runtime.ExitError'),
  },
  {
    does: 'a refused input: reported, nothing else is called',
    input: { nonsense: true },
    script: { Plan: failing('InvalidInput') },
    calls: ['Plan', 'Report'],
    outcome: failed('InvalidInput'),
  },
  ...[null, [], 'sync', 7].map((input) => ({
    does: `the input ${JSON.stringify(input)}, which is no object: refused, and reported`,
    input,
    script: { Plan: failing('InvalidInput') },
    calls: ['Plan', 'Report'],
    outcome: failed('InvalidInput'),
  })),
  {
    does: 'a failing snapshot: nothing was written, so nothing is rolled back',
    script: { Snapshot: failing('HarnessUnreachable') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'Report'],
    outcome: failed('HarnessUnreachable'),
  },
  {
    does: 'a failing update: rolled back',
    script: { UpdateConfig: failing('HarnessRejected') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Rollback', 'Report'],
    outcome: failed('HarnessRejected'),
  },
  {
    does: 'a failing rollback: reported as such',
    script: { UpdateConfig: failing('HarnessRejected'), Rollback: failing('RollbackFailed') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Rollback', 'Report'],
    outcome: failed('RollbackFailed'),
  },
  {
    does: 'a rollback that does not run at first, whatever keeps it: is called again',
    script: {
      Verify: failing('VerificationFailed'),
      Rollback: (_, call) => {
        const errors = ['Lambda.ResourceNotReadyException', 'Runtime.ExitError', 'Sandbox.Timedout', 'StoreFailed'];
        const error = errors[call % 5];
        return call < 20 && error !== undefined ? failing(error)() : { status: 'rolled-back' };
      },
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', ...times(4, 'Rollback'), 'Report'],
    outcome: failed('VerificationFailed'),
  },
  {
    does: 'a rollback that never runs: reported',
    script: { Verify: failing('VerificationFailed'), Rollback: failing('Runtime.ExitError') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', ...times(31, 'Rollback'), 'Report'],
    outcome: failed('Runtime.ExitError'),
  },
  {
    does: 'a rollback that waits for Harness: is called until Harness answers',
    script: {
      Verify: failing('HarnessUnreachable'),
      Rollback: (_, call) => (call <= 50 ? failing('RollbackPending')() : { status: 'rolled-back' }),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', ...times(51, 'Rollback'), 'Report'],
    outcome: failed('HarnessUnreachable'),
  },
  {
    does: 'a report that fails at first: is called again, and a good run stays one',
    script: {
      Report: (payload, call) => (call <= 5 ? failing('Runtime.ExitError')() : scriptedReport(payload)),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', ...times(6, 'Report')],
    outcome: succeeded,
  },
  {
    does: 'a report that never works: a good run stays one, and says so',
    script: { Report: failing('StoreFailed') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', ...times(31, 'Report')],
    outcome: { status: 'SUCCEEDED', output: { reason: expect.stringContaining('report could not be written') } },
  },
  {
    does: 'a report of a failed run that never works: the run ends with its own error',
    script: { Gate: failing('ImagesFailed'), Report: failing('StoreFailed') },
    calls: ['Plan', ...copies, 'Gate', ...times(31, 'Report')],
    outcome: failed('ImagesFailed'),
  },
  {
    does: 'a report of a failed rollback that never works: the run ends as RollbackFailed',
    script: {
      UpdateConfig: failing('HarnessRejected'),
      Rollback: failing('RollbackFailed'),
      Report: failing('Sandbox.Timedout'),
    },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Rollback', ...times(31, 'Report')],
    outcome: failed('RollbackFailed'),
  },
  {
    does: 'a run that was stopped: put back by another',
    input: { recover_run: 'run-0' },
    script: { Plan: planned({ route: 'rollback' }) },
    calls: ['Plan', 'Rollback', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'verify failing after the switch: rolled back',
    script: { Verify: failing('VerificationFailed') },
    calls: ['Plan', ...copies, 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Rollback', 'Report'],
    outcome: failed('VerificationFailed'),
  },
  {
    does: 'verify failing without a switch: only reported',
    script: { Gate: () => ({ route: 'verify' }), Verify: failing('DriftFound') },
    calls: ['Plan', ...copies, 'Gate', 'Verify', 'Report'],
    outcome: failed('DriftFound'),
  },
  {
    does: 'reset: snapshots, resets, verifies',
    input: { action: 'reset' },
    script: { Plan: planned({ route: 'configure' }), Snapshot: () => ({ updates: 0, resets: 2 }) },
    calls: ['Plan', 'Snapshot', 'ResetConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'a failing reset: rolled back',
    input: { action: 'reset' },
    script: {
      Plan: planned({ route: 'configure' }),
      Snapshot: () => ({ updates: 0, resets: 2 }),
      ResetConfig: failing('HarnessForbidden'),
    },
    calls: ['Plan', 'Snapshot', 'ResetConfig', 'Rollback', 'Report'],
    outcome: failed('HarnessForbidden'),
  },
  {
    does: 'reset with nothing to reset: a success that says so',
    input: { action: 'reset' },
    script: { Plan: planned({ route: 'report' }) },
    calls: ['Plan', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'restore: writes what was overridden and resets what was not',
    input: { action: 'restore', restore_run: 'run-0' },
    script: { Plan: planned({ route: 'configure' }), Snapshot: () => ({ updates: 1, resets: 2 }) },
    calls: ['Plan', 'Snapshot', 'UpdateConfig', 'ResetConfig', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'plan: writes nothing',
    input: { action: 'plan' },
    script: { Plan: planned({ route: 'report' }) },
    calls: ['Plan', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'verify: writes nothing',
    input: { action: 'verify' },
    script: { Plan: planned({ route: 'verify' }) },
    calls: ['Plan', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'verify that finds drift: fails',
    input: { action: 'verify' },
    script: { Plan: planned({ route: 'verify' }), Verify: failing('DriftFound') },
    calls: ['Plan', 'Verify', 'Report'],
    outcome: failed('DriftFound'),
  },
  {
    does: 'verify of a bundle: is called again until it has read everything',
    input: { action: 'verify', bundle: 's3://bundles/a.tar' },
    script: {
      Plan: planned({ route: 'verify-bundle' }),
      Verify: (_, call) => ({ status: call < 3 ? 'continue' : 'agrees' }),
    },
    calls: ['Plan', 'Verify', 'Verify', 'Verify', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'verify of a bundle that is damaged: fails',
    input: { action: 'verify', bundle: 's3://bundles/a.tar' },
    script: { Plan: planned({ route: 'verify-bundle' }), Verify: failing('BundleInvalid') },
    calls: ['Plan', 'Verify', 'Report'],
    outcome: failed('BundleInvalid'),
  },
  {
    does: 'prune: after the switch is verified',
    script: { Plan: planned({ prune: true }) },
    calls: ['Plan', 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Prune', 'Report'],
    outcome: succeeded,
  },
  {
    does: 'prune that fails: the switch stays, the run succeeds',
    script: { Plan: planned({ prune: true }), Prune: failing('RegistryForbidden') },
    calls: ['Plan', 'Gate', 'Snapshot', 'UpdateConfig', 'Verify', 'Prune', 'Report'],
    outcome: succeeded,
  },
];

interface Observation {
  outcome: WorkflowOutcome;
  calls: { name: string; payload: unknown }[];
}

function inputOf({ input = {} }: Branch): unknown {
  return input;
}

/** Runs one branch. `engine` gets the function that calls tasks. */
async function observe(
  branch: Branch,
  engine: (invoke: (fn: string, payload: unknown) => Promise<unknown>) => Promise<WorkflowOutcome>,
) {
  const calls: Observation['calls'] = [];
  const counts = new Map<string, number>();
  const outcome = await engine(async (fn, payload) => {
    const task = fn.replace(/Function$/, '');
    const count = (counts.get(task) ?? 0) + 1;
    counts.set(task, count);
    calls.push({ name: task, payload: structuredClone(payload) });
    const script = { ...ordinary, ...branch.script }[task];
    if (!script) throw new Error(`no script for ${task}`);
    return script(payload as Record<string, unknown>, count);
  });
  return { outcome, calls };
}

/** Returns calls without what is an engine's own: stack traces in causes, and the form of an execution's name. */
function comparable(value: unknown): unknown {
  const text = JSON.stringify(value).replaceAll(/,?\\"trace\\": ?\[[^\]]*\]/g, '');
  // Step Functions names an execution by its ARN, which ends with the name that it has here.
  return JSON.parse(
    text.replaceAll(/"arn:aws:states:[\w-]+:\d+:execution:\w+:([^"]+)"/g, '"$1"'),
    (key, inner: unknown) => (key === 'Cause' && typeof inner === 'string' ? JSON.parse(inner) : inner),
  );
}

function names({ calls }: Observation): string[] {
  return calls.map(({ name, payload }) => {
    const { image, tags } = payload as { image?: number; tags?: number[] };
    return name === 'Copy' ? `Copy ${tags ? `tags ${tags.join(', ')}` : image}` : name;
  });
}

/** Copies that end in pairs only, so that an engine which ran one at a time would never end. */
async function copyInPairs(
  engine: (invoke: (fn: string, payload: unknown) => Promise<unknown>) => Promise<WorkflowOutcome>,
) {
  const done: number[] = [];
  let mostOpen = 0;
  let open: { image: number; release: () => void }[] = [];
  const outcome = await engine(async (fn, payload) => {
    const task = fn.replace(/Function$/, '');
    if (task === 'Plan')
      return planned({
        waves: [
          [3, 1, 0, 2],
          [5, 4],
        ],
        maxConcurrency: 2,
      })();
    if (task !== 'Copy') return ordinary[task]?.(payload as Record<string, unknown>, 1);
    const { image } = payload as { image: number };
    await new Promise<void>((release) => {
      open.push({ image, release });
      mostOpen = Math.max(mostOpen, open.length);
      if (open.length < 2) return;
      for (const copy of open.toSorted((a, b) => a.image - b.image)) {
        done.push(copy.image);
        copy.release();
      }
      open = [];
    });
    return { status: 'copied', waitSeconds: 0 };
  });
  return { status: outcome.status, done, mostOpen };
}

const inPairs = { status: 'SUCCEEDED', done: [1, 3, 0, 2, 4, 5], mostOpen: 2 };

describe('every branch of the workflow', () => {
  const local = (branch: Branch) =>
    observe(branch, (invoke) =>
      runWorkflow(definition, { input: inputOf(branch), name: 'run-1', invoke, retryPausesMs: atOnce }),
    );

  it.each(branches)('$does', async (branch) => {
    const observed = await local(branch);
    expect(names(observed)).toEqual(branch.calls);
    expect(observed.outcome).toMatchObject(branch.outcome);
  });

  it('copies the images of a wave at once, as many as may be, and the next wave after them', async () => {
    expect(await copyInPairs((invoke) => runWorkflow(definition, { input: {}, name: 'run-1', invoke }))).toEqual(
      inPairs,
    );
  });

  it('carries 1,000 copies that die, whatever they say, within the size of a state', async () => {
    const images = Array.from({ length: 1_000 }, (_, index) => index);
    // The longest name of an error that Lambda has.
    const name = 'Lambda.SubnetIPAddressLimitReachedException';
    const dying = Object.assign(new Error('x'.repeat(4_000)), { name });
    const sizes: number[] = [];
    let gate: unknown;
    await runWorkflow(definition, {
      input: {},
      name: 'run-1',
      retryPausesMs: atOnce,
      invoke: async (fn, payload) => {
        sizes.push(Buffer.byteLength(JSON.stringify(payload)));
        if (fn === 'PlanFunction') return planned({ waves: [images], maxConcurrency: 40 })();
        if (fn === 'CopyFunction') throw dying;
        if (fn === 'GateFunction') gate = payload;
        if (fn === 'RollbackFunction' || fn === 'UpdateConfigFunction') throw new Error('x'.repeat(30_000));
        return ordinary[fn.replace(/Function$/, '')]?.(payload as Record<string, unknown>, 1);
      },
    });
    expect(gate).toMatchObject({ copies: [images.map((image) => ({ image, error: { Error: name } }))] });
    // https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    expect(Math.max(...sizes)).toBeLessThan(262_144);
  }, 60_000);

  it('calls every function of the definition', async () => {
    const seen = new Set(branches.flatMap(({ calls }) => calls.map((call) => call.split(' ')[0])));
    const functions = new Set(
      JSON.stringify(definition)
        .matchAll(/\$\{(\w+)Function\}/g)
        .map(([, name]) => name),
    );
    expect(seen).toEqual(functions);
  });

  (motoInstalled() ? describe : describe.skip)('in the engine of moto', () => {
    let moto: MotoEngine;
    beforeAll(async () => {
      moto = await startMotoEngine();
    }, 60_000);
    afterAll(() => moto.close());

    it('copies the images of a wave at once, and the next wave after them: the same', async () => {
      expect(await copyInPairs((invoke) => moto.run(definition, {}, invoke))).toEqual(inPairs);
    }, 60_000);

    it('adds 11 events to the history for an image, 9 for its going on in another call, and 6 for a wave', async () => {
      const eventsOf = async (waves: number[][], continued = 0) => {
        const name = `events-${waves.length}-${waves.flat().length}-${continued}`;
        const script = {
          Plan: planned({ waves }),
          Copy: (_: unknown, call: number) => ({ status: call > continued ? 'copied' : 'continue', waitSeconds: 0 }),
        };
        const branch = { does: name, script, calls: [], outcome: succeeded };
        await observe(branch, (invoke) => moto.run(definition, {}, invoke, name));
        return moto.events(name);
      };
      const [none, ...others] = await Promise.all([
        eventsOf([]),
        eventsOf([[0]]),
        eventsOf([[0, 1]]),
        eventsOf([[0], [1]]),
        eventsOf([[0]], 1),
      ]);
      expect(others.map((count) => count - none)).toEqual([6 + 11, 6 + 22, 12 + 22, 6 + 11 + 9]);
    }, 60_000);

    it.each(branches)(
      '$does: the same',
      async (branch) => {
        const [ours, theirs] = await Promise.all([
          local(branch),
          observe(branch, (invoke) => moto.run(definition, inputOf(branch), invoke, 'run-1')),
        ]);
        expect(names(theirs)).toEqual(branch.calls);
        expect(theirs.outcome.status).toBe(ours.outcome.status);
        expect(theirs.outcome.error).toBe(ours.outcome.error);
        expect(theirs.outcome.cause).toBe(ours.outcome.cause);
        expect(theirs.outcome.output).toEqual(ours.outcome.output);
        expect(comparable(theirs.calls)).toEqual(comparable(ours.calls));
      },
      60_000,
    );
  });
});
