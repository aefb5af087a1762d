import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import prettyBytes from 'pretty-bytes';
import type { ProfileName } from './harness-api/profiles.ts';
import { startHarnessApi } from './harness-api/server.ts';
import { publishedImages, startOfficialSources } from './official-sources.ts';
import { startRegistry } from './registry/server.ts';
import { place, say } from './say.ts';

export interface AirGapOptions {
  profile: ProfileName;
}

type Environment = Readonly<Record<string, string>>;

const command = join(import.meta.dirname, '../main.ts');

/**
 * Shows an air gap on the embedded default: the images go into a bundle outside, the sources and the Harness outside are
 * shut, and the bundle is imported inside. Runs the commands of a user, in a folder that stays. Returns whether all of
 * them succeeded.
 */
export async function showAirGap({ profile }: AirGapOptions): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'harness-ci-air-gap-'));
  const own = await mkdtemp(join(tmpdir(), 'harness-ci-image-factory-'));
  const sources = await startOfficialSources();
  const target = await startRegistry();
  const registry = `${target.host}/harness-mirror`;
  const outsideHarness = await startHarnessApi({ profile });
  const insideHarness = await startHarnessApi({ profile, connector: `http://${registry}` });
  const outside = {
    ...surroundings(own, 'outside'),
    SOURCE_REGISTRY: sources.addresses.join(),
    HARNESS_URL: outsideHarness.url,
    HARNESS_API_KEY: outsideHarness.apiKey,
  };
  const inside = {
    ...surroundings(own, 'inside'),
    // The same sources as outside. They are out of reach.
    SOURCE_REGISTRY: sources.addresses.join(),
    REGISTRY_NAME: registry,
    HARNESS_URL: insideHarness.url,
    HARNESS_API_KEY: insideHarness.apiKey,
  };
  const shut = () => Promise.all([sources.close(), outsideHarness.close()]);
  // Nothing outside knows the images of a Self-Managed Platform: the one inside writes them to a list.
  const isListed = profile === 'self-managed';
  const list = 'needs.json';
  const beforeTheGap: Step[] = [
    ...(isListed
      ? [{ title: 'inside: list the images that Harness needs there', args: ['plan', '--needs', list], side: inside }]
      : []),
    {
      title: 'outside: write the images to a bundle',
      args: ['export', '--to', 'harness.tar', ...(isListed ? ['--images', list] : [])],
      side: outside,
    },
  ];
  const behindTheGap: Step[] = [
    { title: 'inside: check the bundle', args: ['verify', '--from', 'harness.tar'], side: inside },
    { title: 'inside: look before you import', args: ['plan', '--from', 'harness.tar'], side: inside },
    {
      title: 'inside: copy the images to the registry, then switch Harness to the copies',
      args: ['import', '--from', 'harness.tar', '--receipt', 'receipt.json', '--yes'],
      side: inside,
    },
    {
      title: 'inside: import again: nothing has changed',
      args: ['import', '--from', 'harness.tar', '--yes'],
      side: inside,
    },
  ];
  try {
    const images = sources.publish(publishedImages(profile));
    say(
      `Two networks with an embedded Harness ${profile} each. Outside are ${images.length} sample images at three sources:`,
      ...Object.entries({
        ...sources.places,
        'Harness outside': outsideHarness.url,
        'Harness inside': insideHarness.url,
        'registry inside': `${registry}, empty`,
      }).map(place),
    );
    if (!(await runSteps(beforeTheGap, folder))) return false;
    await shut();
    say('\n── the gap: the sources and the Harness outside are shut');
    if (!(await runSteps(behindTheGap, folder))) return false;
    say(
      `\nAll of it succeeded. The files are in ${folder}:`,
      ...(await filesOf(folder)).map(place),
      'Next time, carry only what is new: factory export --to delta.tar --base receipt.json. See docs/air-gap.md.',
    );
    return true;
  } finally {
    await Promise.all([shut(), insideHarness.close(), target.close()]);
    await rm(own, { recursive: true, force: true });
  }
}

interface Step {
  title: string;
  args: readonly string[];
  /** The variables of the side of the gap. */
  side: Environment;
}

/** Runs commands until one fails. Returns whether all succeeded. */
async function runSteps(steps: readonly Step[], folder: string): Promise<boolean> {
  for (const { title, args, side } of steps) {
    say(`\n── ${title}`, `$ factory ${args.join(' ')}`);
    const { code, output } = await runCommand(args, folder, side);
    say(...excerpt(output));
    if (code !== 0) {
      say(`\n${args[0]} failed: see its error above.`);
      return false;
    }
  }
  return true;
}

function runCommand(
  args: readonly string[],
  cwd: string,
  env: Environment,
): Promise<{ code: unknown; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', reject).on('close', (code) => resolve({ code, output }));
  });
}

const firstLines = 9;
const lastLines = 3;

/** Returns the first lines of a report, and the last. */
function excerpt(report: string): string[] {
  const lines = report.trimEnd().split('\n');
  const more = lines.length - firstLines - lastLines;
  if (more < 2) return lines;
  return [...lines.slice(0, firstLines), `… ${more} more lines`, ...lines.slice(-lastLines)];
}

/** Returns the variables that do not depend on the user's: neither accounts nor credentials nor proxies. */
function surroundings(folder: string, side: string): Environment {
  const kept = ['PATH', 'HOME', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR', 'NO_COLOR'];
  return {
    ...Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    XDG_STATE_HOME: join(folder, side),
    DOCKER_CONFIG: folder,
  };
}

async function filesOf(folder: string): Promise<[string, string][]> {
  const names = (await readdir(folder)).toSorted();
  return Promise.all(
    names.map(async (name) => [name, prettyBytes((await stat(join(folder, name))).size)] as [string, string]),
  );
}
