import { FactoryError } from '../../functions/errors.ts';
import { Patience } from '../../functions/runtime/patience.ts';
import { commandLine } from '../../functions/runtime/place.ts';
import { carriesBundle, carriesOnly } from '../../functions/settings/carriage.ts';
import { type Environment, parseConfiguration, refuse } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import type { Plan, Report } from '../../functions/state/documents.ts';
import { type PlannedImages, plannedImages } from '../../functions/state/planned-images.ts';
import { printableJson } from '../../functions/text/printable.ts';
import {
  type CarriageOptions,
  bundlesFor,
  inputOf,
  prepareCarriage,
  refuseIdleOptions,
  writeCarriage,
} from './carriage.ts';
import { codeOf, exit, failed, tell } from './command-end.ts';
import { readInput } from './input.ts';
import { onInterruption } from './interruptions.ts';
import { progressOn } from './progress.ts';
import { prepareReportFolder, writeReportFile } from './report-files.ts';
import { type Screen, screenOf } from './screen.ts';
import { type State, openState } from './state.ts';
import { userFolder } from './user-folder.ts';

/** Two hours, because a person may be waiting for the command. */
const rollbackPatienceMs = 2 * 3_600_000;

export interface Options extends CarriageOptions {
  input?: string;
  json?: boolean;
  out?: string;
  yes?: boolean;
  wait?: true | number;
  /** Absent if the user has no home. */
  state?: string;
  run?: string;
  open?: boolean;
  /** Writes the history as a page, to this file or to the state. */
  html?: true | string;
  /** Prints only this list of a plan. */
  list?: keyof PlannedImages;
  /** False with `--no-color`. */
  color: boolean;
}

/** Runs an action of the workflow on this machine, and delivers its report. Returns the exit code. */
export async function runCommand(action: string, options: Options, environment: Environment): Promise<number> {
  const interruption = new AbortController();
  const patience = new Patience(rollbackPatienceMs);
  const { state } = options;
  const place = commandLine(stateOptions(options, environment));
  const interrupt = (name: NodeJS.Signals) => {
    if (!interruption.signal.aborted) {
      process.stderr.write('\nInterrupted. Leaving Harness as it was before the run…\n');
      interruption.abort();
    } else if (patience.giveUp()) {
      process.stderr.write('\nGiving up the rollback after this attempt. Interrupt again to end immediately.\n');
    } else {
      // Restore the default: this signal ends the process.
      stopListening();
      process.kill(process.pid, name);
    }
  };
  const progress = await progressOn(process.stderr);
  const stopListening = onInterruption(interrupt);
  const { signal } = interruption;
  try {
    const input = await readInput(options.input, { action, ...(await inputOf(options, signal)) }, signal);
    if (options.run !== undefined) input['restore_run'] = options.run;
    // The plan task parses both again. Report bad input here, before anything starts.
    const configuration = configurationFor(input, environment);
    refuseIdleOptions(options, input, configuration);
    // Report places that cannot be written before copying or switching anything.
    const { store, lock } = await openState(state);
    await store.prepare();
    if (options.out !== undefined) await prepareReportFolder(options.out);
    await prepareCarriage(options);
    // Load the engine only now: bad input and --help do not need it.
    const [{ createLocalRuntime }, { run }] = await Promise.all([import('./local-runtime.ts'), import('./run.ts')]);
    const runtime = createLocalRuntime(configuration, environment, {
      store,
      onProgress: (event) => progress.handle(event),
      lock: { ...lock, waitMs: waitMs(options) },
      place,
      patience,
      ...(carriesBundle(input) && { bundles: await bundlesFor(options, signal) }),
    });
    const ask = process.stderr.isTTY && !options.yes;
    try {
      const report = await run({
        runtime,
        input,
        signal,
        confirm: ask ? (plan) => confirmed(plan, signal, screenOf(process.stderr, options.color)) : undefined,
      });
      progress.stop();
      addWarnings(report, await writeCarriage(runtime.run(report.runId), report, options));
      await deliver(report, { ...options, stateOptions: stateOptions(options, environment) }, store);
      return report.status === 'FAILED' ? codeOf(report.error?.name) : exit.success;
    } finally {
      await runtime.close();
    }
  } catch (error) {
    progress.stop();
    return await failed(action, error, options, signal);
  } finally {
    stopListening();
  }
}

async function confirmed(plan: Plan, signal: AbortSignal, screen: Screen): Promise<boolean> {
  const { confirmOnTerminal } = await import('./confirm.ts');
  return confirmOnTerminal(plan, signal, screen);
}

function waitMs({ wait = 0 }: Options): number {
  return (wait === true ? 60 : wait) * 60_000;
}

/** Parses the configuration and the input, and reports the problems of both together. */
function configurationFor(input: unknown, environment: Environment) {
  const problems = [];
  try {
    const configuration = parseConfiguration(environment, { harness: !carriesOnly(input) });
    parseExecutionInput(input, configuration);
    return configuration;
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name !== 'InvalidConfiguration') throw error;
    problems.push(...(error.problems ?? []));
    try {
      parseExecutionInput(
        input,
        parseConfiguration({ HARNESS_API_KEY: 'unknown', REGISTRY_NAME: environment['REGISTRY_NAME'] }),
      );
    } catch (also) {
      if (also instanceof FactoryError && also.name === 'InvalidInput') problems.push(...(also.problems ?? []));
    }
    refuse(problems);
    throw error;
  }
}

/** Returns the options that lead a later command to the same state. */
export function stateOptions({ state }: Options, environment: Environment): string[] {
  return state === undefined || state === userFolder('state', environment) ? [] : ['--state', state];
}

/** Delivers the report. A failure here is a warning: the run is over, and its outcome stays. */
async function deliver(
  report: Report,
  { json, out, list, color, to, stateOptions }: Options & { stateOptions: readonly string[] },
  store: State['store'],
): Promise<void> {
  const document = () => `${printableJson(report)}\n`;
  const summary = async (stream: NodeJS.WriteStream) => {
    const { summaryOf } = await import('./summary.ts');
    return summaryOf(report, { screen: screenOf(stream, color) });
  };
  if (out !== undefined) {
    const [{ pageBesideReport }, { summaryOf }] = await Promise.all([
      import('./page-commands.ts'),
      import('./summary.ts'),
    ]);
    const files = {
      'report.json': document,
      'report.txt': () => summaryOf(report),
      'report.html': () => pageBesideReport(report, stateOptions),
    };
    const written = Object.entries(files).map(([name, text]) => writeReportFile(out, name, text));
    addWarnings(
      report,
      (await Promise.all(written)).filter((warning) => warning !== undefined),
    );
  }
  if (list !== undefined && report.status === 'FAILED') process.stderr.write(await summary(process.stderr));
  else if (list !== undefined) await tell(`${plannedImages(report)[list]}\n`);
  // Standard output carries the bundle.
  else if (to === '-') process.stderr.write(json ? document() : await summary(process.stderr));
  else
    await tell(
      json ? document() : await summary(process.stdout),
      `; the report is ${store.locate(`runs/${report.runId}/report.json`)}`,
    );
}

function addWarnings(report: Report, warnings: readonly string[]): void {
  if (warnings.length > 0) report.warnings = [...(report.warnings ?? []), ...warnings];
}
