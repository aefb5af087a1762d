import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { publishedImages, startOfficialSources } from '../../infra/local/embedded/official-sources.ts';
import { startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { startChromium } from '../browser/browser.ts';
import { svgOf } from './terminal-svg.ts';
import { runOn, Terminal } from './terminal.ts';

const command = join(import.meta.dirname, '../../infra/local/main.ts');
const schemes = ['light', 'dark'] as const;

/** Images that Harness publishes after the first sync, by the field that names them. */
const newImages = {
  addonTag: 'harness/ci-addon:1.18.27',
  liteEngineTag: 'harness/ci-lite-engine:1.18.27',
  gitCloneTag: 'harness/drone-git:1.7.26-rootless',
};
/** Later ones. The registry refuses the first. */
const refusedImages = { addonTag: 'harness/ci-addon:1.18.31', liteEngineTag: 'harness/ci-lite-engine:1.18.31' };

/**
 * Makes the pictures of README and docs, from runs of the command against the embedded Harness API and registries: the
 * first sync, a plan and a sync of new versions, a sync that fails, one that heals it, and a verify. Ids, times and ports
 * are those of these runs, so each picture is new each time.
 */
export async function makePictures(folder: string): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'factory-pictures-'));
  const sources = await startOfficialSources();
  const target = await startRegistry();
  const registry = `${target.host}/harness-mirror`;
  const harness = await startHarnessApi({ connector: `http://${registry}` });
  const environment = {
    HOME: home,
    PATH: process.env['PATH'] ?? '',
    HARNESS_URL: harness.url,
    HARNESS_API_KEY: harness.apiKey,
    SOURCE_REGISTRY: sources.addresses.join(),
    REGISTRY_NAME: registry,
    DOCKER_CONFIG: home,
  };
  const state = join(home, '.local/state/harness-ci-image-factory');

  /** Runs the command on a terminal, and returns the page of its run. */
  async function factory(name: string, exitCode = 0, terminal = new Terminal(96)): Promise<string> {
    const before = await runs();
    const code = await runOn(terminal, {
      shown: `factory ${name}`,
      program: process.execPath,
      args: [command, name],
      environment,
      answer: { question: /Continue\?.*\] /, text: 'y\n' },
    });
    if (code !== exitCode) throw new Error(`factory ${name} ended with ${code}:\n${textOn(terminal)}`);
    // Ids of runs in the same second are in no order.
    const made = (await runs()).find((run) => !before.includes(run)) ?? '';
    return join(state, 'runs', made, 'report.html');
  }

  function runs(): Promise<string[]> {
    return readdir(join(state, 'runs')).catch(() => []);
  }

  function publish(images: Readonly<Record<string, string>>): void {
    sources.publish(Object.values(images));
    for (const [field, image] of Object.entries(images)) harness.setDefault('ci', 'K8', field, image);
  }

  const browser = await startChromium();
  try {
    sources.publish(publishedImages());
    await factory('sync');
    publish(newImages);
    const terminal = new Terminal(96);
    await factory('plan', 0, terminal);
    terminal.write('\r\n');
    const switched = await factory('sync', 0, terminal);
    publish(refusedImages);
    const body = JSON.stringify({ errors: [{ code: 'TAG_INVALID', message: 'tag is immutable' }] });
    const refusal = { status: 400, headers: { 'content-type': 'application/json' }, body };
    target.faults.add({ match: { method: 'PUT', path: /ci-addon\/manifests\/1/ }, act: refusal });
    const failed = await factory('sync', 1);
    await factory('sync');
    await factory('verify');
    await mkdir(folder, { recursive: true });
    const title = 'A plan and a sync of three new images on a terminal';
    await writeFile(join(folder, 'terminal.svg'), svgOf(terminal, title));
    const take = (page: string, until: string, name: string) =>
      takePictures(browser, { page, until, path: join(folder, name) });
    await take(switched, '#harness table >> nth=0', 'run');
    await take(failed, '#failed', 'failed-run');
    await take(join(state, 'history.html'), '#runs', 'history');
  } finally {
    await browser.close();
    await Promise.all([harness.close(), sources.close(), target.close()]);
    await rm(home, { recursive: true, force: true });
  }
}

function textOn(terminal: Terminal): string {
  return terminal
    .rows()
    .map((row) => row.map(({ text }) => text).join(' '))
    .join('\n');
}

interface Shot {
  page: string;
  /** The element with which the picture ends. */
  until: string;
  /** The path of the pictures, without scheme and extension. */
  path: string;
}

/** Takes a picture of the top of a page in each scheme, with more than one pixel for each of the page: for dense screens. */
async function takePictures(browser: Browser, { page, until, path }: Shot): Promise<void> {
  for (const colorScheme of schemes) {
    const viewport = { width: 960, height: 640 };
    const context = await browser.newContext({ offline: true, colorScheme, viewport, deviceScaleFactor: 1.5 });
    const opened = await context.newPage();
    await opened.goto(pathToFileURL(page).href);
    const box = await opened.locator(until).boundingBox();
    if (!box) throw new Error(`${page} has no ${until}`);
    const clip = { x: 0, y: 0, width: viewport.width, height: Math.ceil(box.y + box.height) + 8 };
    await opened.screenshot({ path: `${path}-${colorScheme}.png`, clip, fullPage: true });
    await context.close();
  }
}
