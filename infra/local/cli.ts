import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { FactoryError } from '../../functions/errors.ts';
import type { Environment } from '../../functions/settings/configuration.ts';
import { readHistory } from '../../functions/state/history.ts';
import { imageLists } from '../../functions/state/planned-images.ts';
import { printableJson } from '../../functions/text/printable.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { addExportOptions, addImportOptions, verifyKeyOption } from './carriage.ts';
import { codeOf, exit, interruptible, tell } from './command-end.ts';
import { readInput } from './input.ts';
import { outliveReaders } from './output.ts';
import { type PipelinesOptions, pipelinesCommand } from './pipelines/cli.ts';
import { type Options, runCommand, stateOptions } from './run-command.ts';
import { screenOf } from './screen.ts';
import { openState } from './state.ts';
import { userFolder } from './user-folder.ts';

const commands = {
  sync: 'copy missing or incomplete images, then switch Harness to the copies',
  plan: 'show what sync would change; changes nothing',
  verify: 'check that Harness uses the copies, and that they are complete; changes nothing',
  reset: 'remove the overrides, so that Harness uses its own images',
  export: 'write the images to a bundle, for a network that cannot reach their registries; changes nothing in Harness',
  import: 'copy the images of a bundle to the registry, then switch Harness to those that it needs',
} as const;

/** Runs one command and returns its exit code. Results go to standard output, everything else to standard error. */
export async function main(argv: readonly string[], environment: Environment): Promise<number> {
  let code = exit.success;
  outliveReaders(process.stdout, process.stderr);
  const program = new Command('factory')
    .description('Keeps the Harness CI images in your own registry current, and points Harness at them.')
    .version(packageJson.version)
    .option('--no-color', 'print without colours, as with NO_COLOR')
    .exitOverride()
    .addHelpText(
      'after',
      '\nSet HARNESS_API_KEY and REGISTRY_NAME, then start with "factory doctor" and "factory plan".' +
        '\ndocs/reference.md lists every variable and every key of the input.' +
        '\nExit codes: 0 succeeded or skipped, 1 failed, 2 bad input or configuration.',
    );
  for (const [action, description] of Object.entries(commands)) {
    const command = withRunOptions(program.command(action).description(description));
    if (action === 'plan') addPlanOptions(command);
    if (action === 'verify') addVerifyOptions(command);
    if (action === 'export') addExportOptions(command);
    if (action === 'import') addImportOptions(command);
    command.action(async () => {
      code = await runCommand(action, command.optsWithGlobals<Options>(), environment);
    });
  }
  withRunOptions(program.command('restore').description('write the overrides back as they were before a run'))
    .requiredOption('--run <id>', 'the run to undo; "factory history" lists them')
    .action(async (_: unknown, command: Command) => {
      code = await runCommand('restore', command.optsWithGlobals<Options>(), environment);
    });
  withState(
    program
      .command('doctor')
      .description('check this machine and what runs need: the key, the connector, the registries'),
  )
    .option('--input <file>', 'the execution input of the runs as JSON; - reads standard input')
    .option('--json', 'print one JSON document instead of a line for each check')
    .action(async (_: unknown, command: Command) => {
      code = await runDoctor(command.optsWithGlobals<Options>(), environment);
    });
  withState(program.command('history').description('list past runs, their changes, and which can be undone'))
    .addOption(new Option('--json', 'print one JSON document').conflicts('html'))
    .option('--html [file]', 'write a page, by default to the folder of the state, and print its path')
    .action(async (options: Options) => {
      const { store } = await openState(options.state);
      if (options.html !== undefined) {
        const { writeHistoryPage } = await import('./page-commands.ts');
        const file = options.html === true ? undefined : options.html;
        await tell(`${await writeHistoryPage(store, { file, stateOptions: stateOptions(options, environment) })}\n`);
        return;
      }
      const entries = await readHistory(store);
      const table = async () => (await import('./history.ts')).historyTable(entries, screenOf(process.stdout));
      await tell(options.json ? `${printableJson(entries)}\n` : await table());
    });
  withState(program.command('report').description('write the page of a past run again, and print its path'))
    .option('--run <id>', 'the run; by default the last one')
    .option('--out <dir>', 'write report.html and report.json to this folder, not to the state')
    .option('--open', 'open the page in a browser')
    .action(async (options: Options) => {
      const { store } = await openState(options.state);
      const { writeRunPage } = await import('./page-commands.ts');
      const warn = (message: string) => process.stderr.write(`Warning: ${message}\n`);
      const page = { ...options, stateOptions: stateOptions(options, environment), warn };
      await tell(`${await writeRunPage(store, page)}\n`);
    });
  program
    .command('refresh-token')
    .description('store a new ECR password in the secret that ECR_TOKEN_SECRET names')
    .option('--json', 'print one JSON document')
    .action(async (options: Options) => {
      code = await runRefresh(options, environment);
    });
  const pipelines = pipelinesCommand(async (options) => {
    code = await runPipelines(options, environment);
  });
  program.addCommand(pipelines.exitOverride());
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    // Commander has printed its message or the help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.success : exit.badInput;
    const failure = FactoryError.from(error);
    const { describeError } = await import('./summary.ts');
    process.stderr.write(`${describeError(failure.toJSON())}\n`);
    return codeOf(failure.name);
  }

  function withState(command: Command): Command {
    const folder = userFolder('state', environment);
    const option = new Option('--state <place>', 'the folder, or s3://BUCKET/PREFIX, of snapshots, history and lock');
    return command.addOption(folder === undefined ? option : option.default(folder));
  }

  function withRunOptions(command: Command): Command {
    return withState(command)
      .option('--input <file>', 'the execution input as JSON; - reads standard input')
      .option('--json', 'print one JSON document instead of the summary')
      .option('--out <dir>', 'also write report.json, report.txt and report.html to this folder')
      .option('--yes', 'do not ask before switching Harness')
      .option('--wait [minutes]', 'wait for a run that holds the lock of the account (default: 60)', wholeMinutes);
  }
}

/** Runs the checks, and prints them. Not one of them can end the command. */
async function runDoctor(options: Options, environment: Environment): Promise<number> {
  return interruptible('doctor', options, async (signal) => {
    const { doctor } = await import('./doctor.ts');
    const report = await doctor(options, environment, signal);
    const screen = screenOf(process.stdout, options.color);
    const summary = async () => (await import('./summary.ts')).summaryOf(report, { screen });
    await tell(options.json ? `${printableJson(report)}\n` : await summary());
    return report.status === 'FAILED' ? exit.failure : exit.success;
  });
}

/** Refreshes the ECR password. Prints the secret's name and the end of the password's validity, never the password. */
async function runRefresh(options: Options, environment: Environment): Promise<number> {
  const action = 'refresh-token';
  return interruptible(action, options, async (signal) => {
    const { refreshToken } = await import('./refresh-token.ts');
    const { refreshed, sentence } = await refreshToken(environment, signal);
    await tell(
      options.json
        ? `${printableJson({ status: 'SUCCEEDED', action, ...refreshed })}\n`
        : `${action}: SUCCEEDED (${sentence})\n`,
    );
    return exit.success;
  });
}

/** Renders, registers or unregisters the Harness pipelines that run the factory. */
async function runPipelines(options: PipelinesOptions, environment: Environment): Promise<number> {
  const action = 'pipelines';
  return interruptible(action, options, async (signal) => {
    const input = await readInput(options.input, { action: 'sync' }, signal);
    const { pipelines } = await import('./pipelines/command.ts');
    const note = (line: string) => process.stderr.write(`${line}\n`);
    const { text, document } = await pipelines(options, { input, environment, note, signal });
    await tell(options.json ? `${printableJson({ status: 'SUCCEEDED', action, ...document })}\n` : text);
    return exit.success;
  });
}

function addPlanOptions(command: Command): void {
  const list = new Option(
    '--list <which>',
    'print only the images, comma-separated: all, or those of fields to switch',
  );
  command
    .option('--from <place>', 'show what import would do with this bundle')
    .addOption(verifyKeyOption())
    .addOption(list.choices(imageLists).conflicts('json'))
    .option(
      '--needs <file>',
      'write the images that the Harness here needs, and the bundle lacks, for "factory export"',
    );
}

function addVerifyOptions(command: Command): void {
  command
    .option('--from <place>', 'check a bundle alone, without a registry and without Harness')
    .addOption(verifyKeyOption());
}

function wholeMinutes(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('Pass a whole number of minutes.');
  return Number(text);
}
