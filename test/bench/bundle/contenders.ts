import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutTools } from '../../bundle/layout-tools.ts';
import type { Command } from '../measure.ts';
import { commandFile, own, program } from '../ours.ts';
import { commandOf } from '../peers.ts';
import type { BenchImage } from '../workloads.ts';
import type { BundleJob, Contender, Work } from './works.ts';

const exports = ['export-folder', 'export-again', 'export-tar', 'export-delta'] as const;
const imports = ['import-folder', 'import-tar'] as const;

/** The factory: the whole command, and its library alone. Then the least that an export takes in Node.js. */
export function factory(folder: string): Contender[] {
  return [
    {
      name: 'ours',
      family: 'ours',
      note: 'the commands export and import, without Harness',
      works: [...exports, ...imports],
      ...own,
      command: async (job) => {
        const { work, home, bundle, images, registry, base } = job;
        const list = join(home, 'images.txt');
        await writeFile(list, images.map(({ repository, tag }) => `${repository}:${tag}\n`).join(''));
        const isExport = work.startsWith('export');
        return {
          argv: [
            process.execPath,
            commandFile,
            ...(isExport ? ['export', '--images', list, '--to'] : ['import', '--yes', '--from']),
            bundle.path,
            ...(base === undefined ? [] : ['--base', base]),
            '--json',
            '--state',
            join(home, 'state'),
          ],
          environment: {
            ...(isExport ? { SOURCE_REGISTRY: registry } : { REGISTRY_NAME: registry }),
            // Outside of the home that is new for each run: whoever installs a command runs it more than once.
            XDG_CACHE_HOME: join(folder, 'cache'),
          },
        };
      },
    },
    {
      name: 'ours (engine alone)',
      family: 'engine',
      note: 'the library of bundles, without plan, state and command line',
      works: [...exports, ...imports],
      ...program(join(import.meta.dirname, 'engine.ts'), join(folder, 'bundle-engine.mjs')),
    },
    {
      name: 'floor (undici)',
      family: 'floor',
      note: 'each manifest and blob: GET, SHA-256 and a file, and nothing else',
      works: ['export-folder'],
      ...program(join(import.meta.dirname, 'floor.ts'), join(folder, 'bundle-floor.mjs')),
    },
  ];
}

/** The tools of others, as their users run them. */
export const bundlePeers: readonly Contender[] = [
  {
    name: 'crane',
    ...commandOf('crane'),
    note: 'all images in one process',
    works: ['export-folder', 'export-again'],
    command: async (job) => ({ argv: cranePull(job, job.bundle.path) }),
  },
  {
    name: 'crane, then tar',
    ...commandOf('crane'),
    works: ['export-tar'],
    command: async (job) => {
      const staging = join(job.temporary, 'layout');
      return shell([cranePull(job, staging), ['tar', '-cf', job.bundle.path, '-C', staging, '.']], job.home);
    },
  },
  ...(['oras', 'regctl', 'skopeo'] as const).flatMap((tool): Contender[] => [
    {
      name: tool,
      ...commandOf(tool),
      works: ['export-folder', 'export-again', ...imports],
      command: (job) => shell(commandsOf(tool, job), job.home),
    },
    {
      name: `${tool} x8`,
      ...commandOf(tool),
      note: '8 images at a time',
      works: imports,
      command: (job) => shell(commandsOf(tool, job), job.home, 8),
    },
  ]),
];

/** The name of an image in a bundle. */
function nameOf({ repository, tag }: BenchImage): string {
  return `docker.io/${repository}:${tag}`;
}

function cranePull({ images, registry, scheme }: BundleJob, path: string): string[] {
  const references = images.map(({ repository, tag }) => `${registry}/${repository}:${tag}`);
  return ['crane', 'pull', '--format', 'oci', ...(scheme === 'http' ? ['--insecure'] : []), ...references, path];
}

function commandsOf(
  tool: 'oras' | 'regctl' | 'skopeo',
  { work, images, registry, scheme, bundle }: BundleJob,
): string[][] {
  const { pull, push } = layoutTools[tool];
  return images.map((image) => {
    const { repository, tag, digests } = image;
    const at = { reference: `${registry}/${repository}:${tag}`, scheme };
    return isExport(work)
      ? pull(at, bundle, nameOf(image))
      : push(bundle, { name: nameOf(image), digest: digests[0] ?? '' }, at);
  });
}

export function isExport(work: Work): boolean {
  return work.startsWith('export');
}

/** Returns a command that runs others, one after the other or several at a time. */
async function shell(commands: readonly (readonly string[])[], home: string, parallel = 1): Promise<Command> {
  const lines = commands.map((argv) => argv.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' '));
  const script = join(home, 'commands.sh');
  await writeFile(script, `${lines.join('\n')}\n`);
  return {
    argv:
      parallel === 1
        ? ['sh', '-e', script]
        : ['xargs', '-a', script, '-d', String.raw`\n`, '-n', '1', '-P', String(parallel), 'sh', '-c'],
  };
}
