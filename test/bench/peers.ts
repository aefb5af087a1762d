import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { available } from '../real-parts.ts';
import type { Command } from './measure.ts';
import { type BenchImage, namespace, type WorkloadName } from './workloads.ts';

/** What a peer is asked to do: bring these images from one registry to the other, under the same names. */
export interface Job {
  images: readonly BenchImage[];
  /** `host:port` of the registries, as the peer sees them. */
  source: string;
  target: string;
  /** A folder of its own, empty at first, for configuration and caches. */
  home: string;
  /** For those that ask Harness what there is. */
  harness: { url: string; apiKey: string };
}

/** One way to do the job. */
export interface Peer {
  name: string;
  /** By what it is chosen; several ways may be one peer's. */
  family: string;
  /** Said of the peer below the table. */
  note?: string;
  /** Whether it differs from the family's first way only when there are several images. */
  forMany?: true;
  /** The workloads it can do; default all. */
  only?: readonly WorkloadName[];
  available(): boolean;
  version(): Promise<string>;
  command(job: Job): Promise<Command>;
}

/** How to get the peers. */
export const installation = `
The peers are looked for on PATH; those that are missing are left out, and named. To get them:
  apt-get install docker-registry skopeo
  go install github.com/google/go-containerregistry/cmd/crane@v0.20.7
  go install github.com/regclient/regclient/cmd/regctl@v0.11.7
  go install github.com/regclient/regclient/cmd/regsync@v0.11.7
  go install oras.land/oras/cmd/oras@v1.3.0    (GONOSUMDB=oras.land where the checksum database does not answer)`;

/** The peers as their users run them. */
export const peers: readonly Peer[] = [
  ...eachImage('crane', () => ['crane', 'copy', '--insecure']),
  ...eachImage('oras', () => ['oras', 'copy', '--no-tty', '--from-plain-http', '--to-plain-http']),
  ...eachImage('regctl', ({ source, target }) => [
    'regctl',
    ...[source, target].flatMap((host) => ['--host', `reg=${host},tls=disabled`]),
    'image',
    'copy',
  ]),
  {
    name: 'regsync',
    note: 'parallel 4',
    ...commandOf('regsync'),
    async command({ images, source, target, home }) {
      const configuration = {
        version: 1,
        creds: [source, target].map((registry) => ({ registry, tls: 'disabled' })),
        defaults: { parallel: 4 },
        sync: images.map((image) => ({ source: at(source, image), target: at(target, image), type: 'image' })),
      };
      return { argv: ['regsync', 'once', '--config', await json(home, configuration)] };
    },
  },
  {
    name: 'skopeo sync',
    ...commandOf('skopeo'),
    // Run by root, it keeps what it knows of blobs in the system's folder, by host and port: both are new each time.
    async command({ images, source, target, home }) {
      const tags = Object.fromEntries(images.map(({ repository, tag }) => [repository, [tag]]));
      const list = await json(home, { [source]: { 'tls-verify': false, images: tags } });
      const options = ['--all', '--src', 'yaml', '--dest', 'docker', '--dest-tls-verify=false'];
      return { argv: ['skopeo', '--insecure-policy', 'sync', ...options, list, `${target}/${namespace}`] };
    },
  },
];

/** A tool that copies one image per process: one after the other, and eight at a time. */
function eachImage(program: string, copy: (job: Job) => string[]): Peer[] {
  const way = (parallel: number) => async (job: Job) => {
    const pairs = job.images.map((image) => `${at(job.source, image)} ${at(job.target, image)}\n`);
    const list = join(job.home, 'images.txt');
    await writeFile(list, pairs.join(''));
    return { argv: ['xargs', '-a', list, '-n', '2', '-P', String(parallel), ...copy(job)] };
  };
  return [
    { name: program, ...commandOf(program), command: way(1) },
    { name: `${program} x8`, note: '8 images at a time', forMany: true, ...commandOf(program), command: way(8) },
  ];
}

function commandOf(program: string): Pick<Peer, 'family' | 'available' | 'version'> {
  return {
    family: program,
    available: () => available(program),
    async version() {
      const question = program === 'skopeo' ? '--version' : 'version';
      const { stdout } = await promisify(execFile)(program, [question], { env: process.env });
      const [version = stdout.trim()] = /\d+\.\d+\.\d+\S*/.exec(stdout) ?? [];
      return `${program} ${version}`;
    },
  };
}

function at(registry: string, { repository, tag }: BenchImage): string {
  return `${registry}/${repository}:${tag}`;
}

/** YAML takes JSON. */
async function json(home: string, content: object): Promise<string> {
  const file = join(home, 'images.yml');
  await writeFile(file, JSON.stringify(content));
  return file;
}
