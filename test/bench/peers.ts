import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { available } from '../real-parts.ts';
import type { Command } from './measure.ts';
import { type BenchImage, namespace, type WorkloadName } from './workloads.ts';

/** A peer's task: copy these images from one registry to the other, under the same names. */
export interface Job {
  images: readonly BenchImage[];
  /** Without TLS the registries speak plain HTTP. */
  scheme: 'http' | 'https';
  /** `host:port` of the registries, as the peer sees them. */
  source: string;
  target: string;
  /** A new, empty folder for configuration and caches. */
  home: string;
  /** The Harness API, for peers that request the list of images from it. */
  harness: { url: string; apiKey: string };
}

/** A contender: one way to do the job. */
export interface Peer {
  name: string;
  /** The name to choose it by. One peer may have several ways. */
  family: string;
  /** Printed below the table. */
  note?: string;
  /** Set if it differs from the family's first way only when there are several images. */
  forMany?: true;
  /** The workloads it can do; default all. */
  only?: readonly WorkloadName[];
  available(): boolean;
  version(): Promise<string>;
  command(job: Job): Promise<Command>;
}

/** Instructions to install the peers. */
export const installation = `
Peers that are not on PATH are left out and named. To install them:
  apt-get install docker-registry skopeo
  go install github.com/google/go-containerregistry/cmd/crane@v0.20.7
  go install github.com/regclient/regclient/cmd/regctl@v0.11.7
  go install github.com/regclient/regclient/cmd/regsync@v0.11.7
  go install oras.land/oras/cmd/oras@v1.3.0    (GONOSUMDB=oras.land where the checksum database does not answer)`;

/** The peers as their users run them. */
export const peers: readonly Peer[] = [
  ...eachImage('crane', ({ scheme }) => ['crane', 'copy', ...(scheme === 'http' ? ['--insecure'] : [])]),
  ...eachImage('oras', ({ scheme }) => [
    'oras',
    'copy',
    '--no-tty',
    ...(scheme === 'http' ? ['--from-plain-http', '--to-plain-http'] : []),
  ]),
  ...eachImage('regctl', ({ scheme, source, target }) => [
    'regctl',
    ...[source, target].flatMap((host) => ['--host', `reg=${host},tls=${tlsOf(scheme)}`]),
    'image',
    'copy',
  ]),
  {
    name: 'regsync',
    note: 'parallel 4',
    ...commandOf('regsync'),
    async command({ scheme, images, source, target, home }) {
      const configuration = {
        version: 1,
        creds: [source, target].map((registry) => ({ registry, tls: tlsOf(scheme) })),
        defaults: { parallel: 4 },
        sync: images.map((image) => ({ source: at(source, image), target: at(target, image), type: 'image' })),
      };
      return { argv: ['regsync', 'once', '--config', await json(home, configuration)] };
    },
  },
  {
    name: 'skopeo sync',
    ...commandOf('skopeo'),
    // Run by root, it keeps its blob cache in the system's folder, by host and port. The port is new each time.
    async command({ scheme, images, source, target, home }) {
      const tags = Object.fromEntries(images.map(({ repository, tag }) => [repository, [tag]]));
      const list = await json(home, { [source]: { 'tls-verify': scheme === 'https', images: tags } });
      const options = ['--all', '--src', 'yaml', '--dest', 'docker', `--dest-tls-verify=${scheme === 'https'}`];
      return { argv: ['skopeo', '--insecure-policy', 'sync', ...options, list, `${target}/${namespace}`] };
    },
  },
];

/** `regctl` and `regsync` name it so. */
function tlsOf(scheme: Job['scheme']): string {
  return scheme === 'https' ? 'enabled' : 'disabled';
}

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

/** Returns the facts of a program on PATH. */
export function commandOf(program: string): Pick<Peer, 'family' | 'available' | 'version'> {
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

/** Writes a configuration as JSON, which is YAML. */
async function json(home: string, content: object): Promise<string> {
  const file = join(home, 'images.yml');
  await writeFile(file, JSON.stringify(content));
  return file;
}
