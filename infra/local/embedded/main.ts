import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../../functions/settings/configuration.ts';
import { FileStore } from '../file-store.ts';
import { createLocalRuntime } from '../local-runtime.ts';
import { outliveReaders } from '../output.ts';
import { progressOn } from '../progress.ts';
import { run } from '../run.ts';
import { summaryOf } from '../summary.ts';
import { startHarnessApi } from './harness-api/server.ts';
import { startRegistry } from './registry/server.ts';
import { pushSamples } from './sample-images.ts';

/**
 * The main job on the embedded default: everything real except the three servers, which run in this process. A sync
 * that copies and switches, a sync that finds nothing to do, a verify, a reset.
 */
outliveReaders(process.stdout, process.stderr);
const state = await mkdtemp(join(tmpdir(), 'harness-ci-image-factory-'));
const harness = await startHarnessApi();
const source = await startRegistry();
const target = await startRegistry();
// The account is set up for copies: pods pull through this connector, with the rights it has.
for (const { spec } of harness.state[harness.accountId]?.connectors ?? [])
  spec['dockerRegistryUrl'] = `http://${target.host}`;
const environment = {
  HARNESS_URL: harness.url,
  HARNESS_API_KEY: harness.apiKey,
  SOURCE_REGISTRY: source.host,
  REGISTRY_NAME: `${target.host}/harness-mirror`,
  // The user's own Docker credentials are nobody's business here.
  DOCKER_CONFIG: state,
};
const progress = progressOn(process.stderr);
const runtime = createLocalRuntime(parseConfiguration(environment), environment, new FileStore(state), (event) =>
  progress.handle(event),
);
let failed = false;
try {
  const images = pushSamples(source, await officialImages());
  say(
    `An embedded Harness API (${harness.url}), a source registry (${source.host}) with ${images.length} sample images, and an empty target registry (${target.host}) are up.`,
  );
  await step('sync: copy every image, then switch Harness to the copies', { action: 'sync' });
  await step('sync again: nothing has changed', { action: 'sync' });
  await step('verify: is what Harness will pull at the registry?', { action: 'verify' });
  await step('reset: give Harness its own images back', { action: 'reset' });
  say(
    failed
      ? 'Something failed: see above.'
      : 'All four succeeded. To run it against your own account and registry, see "Use it" in the README.',
  );
} finally {
  progress.stop();
  await runtime.close();
  await Promise.all([harness.close(), source.close(), target.close()]);
  await rm(state, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

async function officialImages(): Promise<string[]> {
  const client = await runtime.harness();
  const defaults = await client.defaultConfig({ module: 'ci', infrastructureType: 'K8' });
  return [...new Set(Object.values(defaults))];
}

async function step(title: string, input: object): Promise<void> {
  say(`\n── ${title}`);
  const report = await run({ runtime, input });
  if (report.status === 'FAILED') failed = true;
  process.stdout.write(summaryOf(report, 8));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
