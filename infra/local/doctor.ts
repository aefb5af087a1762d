import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, ok } from '../../functions/doctor/check.ts';
import { examine, failureOf } from '../../functions/doctor/doctor.ts';
import { subjectOf } from '../../functions/doctor/subject.ts';
import { FactoryError, type Problem } from '../../functions/errors.ts';
import { everyScope } from '../../functions/harness/scope.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import {
  type Configuration,
  type Environment,
  readConfiguration,
  refuse,
} from '../../functions/settings/configuration.ts';
import { totalsOf } from '../../functions/state/totals.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { sourceLocation } from '../../functions/settings/official-sources.ts';
import type { Report } from '../../functions/state/documents.ts';
import { FileStore } from './file-store.ts';
import { readInput } from './input.ts';
import { createLocalRuntime, registryLogins } from './local-runtime.ts';
import { newRunId } from './run-id.ts';
import { openState, type State } from './state.ts';

interface DoctorOptions {
  input?: string;
  state?: string;
}

/** A value, or the reason why there is none. */
type Attempt<T> = { value: T } | { error: unknown };

/**
 * Checks this machine and what its runs would use. Needs nothing to work: a broken configuration, input or state is a
 * finding, and the other checks go on. Stores nothing.
 */
export async function doctor(options: DoctorOptions, environment: Environment, signal: AbortSignal): Promise<Report> {
  const startedAt = new Date();
  const problems: Problem[] = [];
  const configuration = readConfiguration(environment, problems);
  const settings = await attempt(async () =>
    parseExecutionInput(await readInput(options.input, { action: 'doctor' }, signal), configuration),
  );
  const logins = await attempt(() => registryLogins(environment));
  const state = await attempt(() => openState(options.state));
  const before = [
    check('configuration', () => {
      refuse(problems);
      return ok('the variables are valid');
    }),
    check('input', () => (valueOf(settings), ok('the execution input is valid'))),
    check('credentials', () => (valueOf(logins), ok("Docker's config.json can be used, or there is none"))),
  ];
  const { store, lock } = 'value' in state ? state.value : nowhere();
  const runtime = createLocalRuntime(configuration, environment, {
    store,
    lock,
    logins: 'value' in logins ? logins.value : anonymous,
  });
  const prepareState = async () => valueOf(state).store.prepare();
  const subject = 'value' in settings ? subjectOf(settings.value) : subjectWithout(configuration);
  try {
    const checks = await examine({ ...subject, runtime, prepareState, environment }, signal, before);
    const error = failureOf(checks)?.toJSON();
    return {
      status: error ? 'FAILED' : 'SUCCEEDED',
      action: 'doctor',
      runId: newRunId(),
      startedAt: startedAt.toISOString(),
      endedAt: new Date().toISOString(),
      checks,
      images: [],
      config: [],
      totals: totalsOf([], startedAt.toISOString()),
      ...(error && { error }),
    };
  } finally {
    await runtime.close();
  }
}

/** Runs something that may fail. */
async function attempt<T>(work: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    return { error };
  }
}

function valueOf<T>(attempted: Attempt<T>): T {
  if ('error' in attempted) throw attempted.error;
  return attempted.value;
}

/** Returns what the configuration alone names, for an input that cannot be used. */
function subjectWithout({ registry, sources, modifyDefault }: Configuration): ReturnType<typeof subjectOf> {
  return {
    registry,
    sources: sources.map(sourceLocation),
    scopes: everyScope.filter(({ module, infrastructureType }) => module === 'ci' && infrastructureType === 'K8'),
    switches: modifyDefault,
    managesConnector: false,
  };
}

/** Returns a state that is never used: the check of the state fails before. */
function nowhere(): State {
  return { store: new FileStore(join(tmpdir(), 'harness-ci-image-factory-nowhere')), lock: {} };
}
