import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../../functions/settings/configuration.ts';
import { FileStore } from '../file-store.ts';
import { createLocalRuntime } from '../local-runtime.ts';
import { progressOn } from '../progress.ts';
import { run } from '../run.ts';
import { screenOf } from '../screen.ts';
import { summaryOf } from '../summary.ts';
import type { ProfileName } from './harness-api/profiles.ts';
import { startHarnessApi } from './harness-api/server.ts';
import { type ImageConnector, officialAddresses } from './harness-api/state.ts';
import { publishedImages, startOfficialSources } from './official-sources.ts';
import { startRegistry } from './registry/server.ts';
import { place, say } from './say.ts';

export interface SyncOptions {
  profile: ProfileName;
  /** Absent: an account that is set up for copies. */
  connector?: Exclude<ImageConnector, `http${string}`>;
}

const runs = {
  'sync: copy every image, then switch Harness to the copies': 'sync',
  'sync again: nothing has changed': 'sync',
  'verify: check that the registry has every image that Harness will pull': 'verify',
  'reset: give Harness its own images back': 'reset',
} as const;

/**
 * Shows the main job on the embedded default: a sync that copies and switches, a sync that finds nothing to do, a verify,
 * a reset. Everything is real except the servers, which run in this process. Returns whether all of it succeeded.
 */
export async function showSync({ profile, connector }: SyncOptions): Promise<boolean> {
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
  let progress = await progressOn(process.stderr);
  const runtime = createLocalRuntime(parseConfiguration(environment), environment, {
    store: new FileStore(state),
    onProgress: (event) => progress.handle(event),
  });
  try {
    const images = sources.publish(publishedImages(profile));
    say(
      `Embedded Harness ${profile}, with ${images.length} sample images at three sources:`,
      ...Object.entries({
        'Harness API': harness.url,
        ...sources.places,
        'target, empty': registry,
        'account.harnessImage': addressOf(connector, registry),
      }).map(place),
    );
    const failed = await firstFailure();
    say(
      failed
        ? `\n${failed} failed: see its error above.`
        : '\nAll four runs succeeded. To use your own account and registry, see "Use it" in the README.',
      `The runs as pages: ${join(state, 'history.html')}`,
    );
    return failed === undefined;
  } finally {
    progress.stop();
    await runtime.close();
    await Promise.all([harness.close(), sources.close(), target.close()]);
  }

  /** Runs the actions until one fails. Returns that one. */
  async function firstFailure(): Promise<string | undefined> {
    for (const [title, action] of Object.entries(runs)) {
      say(`\n── ${title}`);
      progress = await progressOn(process.stderr);
      const report = await run({ runtime, input: { action } });
      progress.stop();
      process.stdout.write(summaryOf(report, { rows: 8, screen: screenOf(process.stdout) }));
      if (report.status === 'FAILED') return action;
    }
    return undefined;
  }
}

function addressOf(connector: SyncOptions['connector'], registry: string): string {
  if (connector === undefined) return `http://${registry}`;
  return connector === 'none' ? 'missing' : officialAddresses[connector];
}
