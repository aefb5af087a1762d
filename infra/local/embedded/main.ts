import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { parseConfiguration } from '../../../functions/settings/configuration.ts';
import { FileStore } from '../file-store.ts';
import { createLocalRuntime } from '../local-runtime.ts';
import { outliveReaders } from '../output.ts';
import { progressOn } from '../progress.ts';
import { run } from '../run.ts';
import { screenOf } from '../screen.ts';
import { summaryOf } from '../summary.ts';
import { profileNames, type ProfileName } from './harness-api/profiles.ts';
import { startHarnessApi } from './harness-api/server.ts';
import { type ImageConnector, officialAddresses } from './harness-api/state.ts';
import { publishedImages, startOfficialSources } from './official-sources.ts';
import { startRegistry } from './registry/server.ts';

interface Options {
  profile: ProfileName;
  /** Absent: an account that is set up for copies. */
  connector?: Exclude<ImageConnector, `http${string}`>;
}

/**
 * The main job on the embedded default: everything real except the servers, which run in this process. A sync that
 * copies and switches, a sync that finds nothing to do, a verify, a reset.
 */
outliveReaders(process.stdout, process.stderr);
const { profile, connector } = new Command('npm start --')
  .description('Runs the factory against an embedded Harness API and embedded registries.')
  .addOption(new Option('--profile <name>', 'version of Harness').choices(profileNames).default('saas-2026'))
  .addOption(
    new Option('--connector <registry>', "registry of the account's image connector (default: the target)").choices([
      ...Object.keys(officialAddresses),
      'none',
    ]),
  )
  .parse()
  .opts<Options>();
const state = await mkdtemp(join(tmpdir(), 'harness-ci-image-factory-'));
const sources = await startOfficialSources();
const target = await startRegistry();
const registry = `${target.host}/harness-mirror`;
const harness = await startHarnessApi({ profile, connector: connector ?? `http://${registry}` });
const environment = {
  HARNESS_URL: harness.url,
  HARNESS_API_KEY: harness.apiKey,
  SOURCE_REGISTRY: sources.addresses.join(),
  REGISTRY_NAME: registry,
  // The user's own Docker credentials are nobody's business here.
  DOCKER_CONFIG: state,
};
let progress = progressOn(process.stderr);
const runtime = createLocalRuntime(parseConfiguration(environment), environment, {
  store: new FileStore(state),
  onProgress: (event) => progress.handle(event),
});
try {
  const images = sources.publish(publishedImages(profile));
  const places = Object.entries({
    'Harness API': harness.url,
    ...Object.fromEntries(sources.names.map((name, i) => [`source ${i + 1}, ${name}`, sources.addresses[i]])),
    'target, empty': registry,
    'account.harnessImage': connectorAddress(),
  });
  say(
    [
      `Embedded Harness ${profile}, with ${images.length} sample images at three sources:`,
      ...places.map(([name, address]) => `  ${name.padEnd(22)}${address}`),
    ].join('\n'),
  );
  const failed = await firstFailure({
    'sync: copy every image, then switch Harness to the copies': 'sync',
    'sync again: nothing has changed': 'sync',
    'verify: check that the registry has every image that Harness will pull': 'verify',
    'reset: give Harness its own images back': 'reset',
  });
  say(
    failed
      ? `\n${failed} failed: see its error above.`
      : '\nAll four runs succeeded. To use your own account and registry, see "Use it" in the README.',
  );
  say(`The runs as pages: ${join(state, 'history.html')}`);
  process.exitCode = failed ? 1 : 0;
} finally {
  progress.stop();
  await runtime.close();
  await Promise.all([harness.close(), sources.close(), target.close()]);
}

function connectorAddress(): string {
  if (connector === undefined) return `http://${registry}`;
  return connector === 'none' ? 'missing' : officialAddresses[connector];
}

/** Runs actions by title until one fails. Returns that one. */
async function firstFailure(actions: Record<string, string>): Promise<string | undefined> {
  for (const [title, action] of Object.entries(actions)) {
    say(`\n── ${title}`);
    progress = progressOn(process.stderr);
    const report = await run({ runtime, input: { action } });
    progress.stop();
    process.stdout.write(summaryOf(report, { rows: 8, screen: screenOf(process.stdout) }));
    if (report.status === 'FAILED') return action;
  }
  return undefined;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
