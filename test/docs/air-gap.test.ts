import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { type MotoServer, region } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { blocksOf } from '../deployed/page-blocks.ts';
import { Shell } from '../deployed/shell.ts';
import { cache } from '../local/factory-command.ts';
import { installHostedProgram } from '../local/hosted-program.ts';
import { available } from '../real-parts.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/air-gap.md'), 'utf8');
const blocks = blocksOf('air-gap.md');
const folder = mkdtempSync(join(tmpdir(), 'air-gap-'));
const bin = join(folder, 'bin');
mkdirSync(bin);

const saas = { addonTag: 'harness/ci-addon:1.18.22', cacheS3Tag: 'plugins/cache:1.10.12' };
const platform = { addonTag: 'harnesssecure/ci-addon:1.18.27', cacheS3Tag: 'harnesssecure/cache:1.10.12' };

let source: Registry;
let target: Registry;
const servers: { close(): Promise<unknown> }[] = [];
const shells: Shell[] = [];

beforeAll(async () => {
  servers.push(await installHostedProgram(join(bin, 'factory')));
  [source, target] = await Promise.all([startRegistry(), startRegistry()]);
  servers.push(source, target);
  pushSamples(source, [...Object.values(saas), ...Object.values(platform), 'harnesssecure/ci-addon:1.18.10'], {
    layerBytes: 2_000,
  });
});
afterAll(async () => {
  await Promise.all(shells.map((shell) => shell.close()));
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true });
});

async function startHarness(fields: Record<string, string>): Promise<EmbeddedHarnessApi> {
  const harness = await startHarnessApi({
    connector: `http://${target.host}/harness`,
    defaults: { ci: { K8: fields } },
  });
  servers.push(harness);
  return harness;
}

/** One side of a gap: a folder and a shell, in which blocks of the page run with the addresses of this side. */
class Side {
  readonly folder: string;
  readonly #shell: Shell;
  readonly #replacements: readonly (readonly [string, string])[];

  constructor(name: string, variables: Record<string, string>, replacements: Record<string, string> = {}) {
    this.folder = join(folder, name);
    mkdirSync(this.folder);
    this.#replacements = Object.entries({ ...replacements, 'registry.example.com': target.host });
    this.#shell = new Shell(this.folder, {
      HOME: this.folder,
      XDG_CACHE_HOME: cache,
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      ...variables,
    });
    shells.push(this.#shell);
  }

  /** Runs a block below a heading of the page. */
  follow(heading: string, index: number): Promise<string> {
    const block = blocks.get(heading)?.[index] ?? 'false # The page has no such block.';
    followed.add(`${heading} ${index}`);
    return this.run(block);
  }

  run(commands: string): Promise<string> {
    return this.#shell.run(this.#replacements.reduce((text, [from, to]) => text.replaceAll(from, to), commands));
  }

  /** Carries files to the other side. */
  carry(to: Side, ...names: readonly RegExp[]): void {
    const files = readdirSync(this.folder).filter((file) => names.some((name) => name.test(file)));
    if (files.length === 0) throw new Error(`nothing in ${this.folder} is named ${names.join()}`);
    for (const file of files) cpSync(join(this.folder, file), join(to.folder, file));
  }
}

/** Blocks that have been run, as `heading 0`. */
const followed = new Set<string>();
/** The sources are out of reach inside. */
const beyond = { SOURCE_REGISTRY: 'unreachable.invalid' };
const overridesOf = (harness: EmbeddedHarnessApi) => harness.state[harness.accountId]?.ci.K8;
const copiesOf = (fields: Record<string, string>) =>
  Object.fromEntries(Object.entries(fields).map(([field, image]) => [field, `${target.host}/harness/${image}`]));

describe('the story of SaaS with a registry inside', () => {
  const heading = 'SaaS with a registry inside';
  let outside: Side;
  let inside: Side;
  let harness: EmbeddedHarnessApi;
  beforeAll(async () => {
    harness = await startHarness(saas);
    const key = { 'sat.…': harness.apiKey };
    // The samples fit into one part.
    const parts = { '--parts 7,9': '--parts 1' };
    outside = new Side('outside', { HARNESS_URL: harness.url, SOURCE_REGISTRY: source.host }, { ...key, ...parts });
    inside = new Side('inside', { HARNESS_URL: harness.url, ...beyond }, key);
  });

  it('exports, carries, imports and verifies', async () => {
    expect(await outside.follow(heading, 0)).toContain('2 images exported');
    outside.carry(inside, /^harness\./);
    const look = await inside.follow(heading, 1);
    expect(look).toContain('harness.tar: OK');
    expect(look).toContain('the bundle is complete');
    expect(look).toContain('2 images to copy, 2 fields to switch');
    expect(await inside.follow(heading, 2)).toContain('2 images imported, 2 fields switched');
    expect(overridesOf(harness)).toEqual(copiesOf(saas));
    expect(await inside.follow(heading, 3)).toContain('SUCCEEDED');
  });

  it('carries only what is new, and a patch for what the registry lost', async () => {
    const next = 'Carry only what is new';
    inside.carry(outside, /^receipt\.json$/);
    pushSamples(source, ['plugins/cache:1.11.0'], { layerBytes: 2_000 });
    harness.setDefault('ci', 'K8', 'cacheS3Tag', 'plugins/cache:1.11.0');
    expect(await outside.follow(next, 0)).toContain('2 images exported');
    outside.carry(inside, /^delta\./);
    const { storage } = target;
    const lost = 'harness/harness/ci-addon';
    storage.deleteTag(lost, '1.18.22');
    for (const name of storage.repositories())
      for (const digest of storage.blobs(name)) storage.deleteBlob(name, digest);
    const refused = await inside.run('factory import --from delta.tar --out reports 2>&1 || true');
    expect(refused).toContain('BundleIncomplete');
    await inside.run('cp reports/needs.json .');
    inside.carry(outside, /^needs\.json$/);
    expect(await outside.follow(next, 1)).toContain('exported');
    outside.carry(inside, /^patch\./);
    await inside.run('factory import --from patch.tar');
    expect(await inside.run('factory import --from delta.tar')).toContain('SUCCEEDED');
    expect(overridesOf(harness)).toMatchObject({ cacheS3Tag: `${target.host}/harness/plugins/cache:1.11.0` });
  });

  it('cuts a bundle into parts whose sums hold, and makes a lost part again', async () => {
    await outside.run('mkdir parts && cd parts');
    expect(await outside.follow('Parts and media', 0)).toContain('2 images exported');
    expect(await outside.run('sha256sum -c harness.sha256')).toContain('harness.tar.001: OK');
    expect(await outside.run('factory verify --from harness.tar')).toContain('the bundle is complete');
    await outside.run('rm harness.tar.001');
    expect(await outside.follow('Parts and media', 1)).toContain('1 part written again');
    expect(await outside.run('sha256sum -c harness.sha256; cd ..')).toContain('harness.tar.001: OK');
  });

  it('signs, and checks the signature with openssl too', async () => {
    await outside.follow('Signatures', 0);
    outside.carry(inside, /^signed\./, /^pub\.pem$/);
    expect(await inside.follow('Signatures', 1)).toContain('Verified OK');
  });

  it('leaves platforms out', async () => {
    expect(await outside.follow('Sizes', 0)).toContain('Bundle linux.tar');
  });

  const tools = ['skopeo', 'oras', 'regctl', 'crane', 'jq'];
  (tools.every(available) ? it : it.skip)('lets other tools read the bundle', async () => {
    const other = 'Read a bundle with other tools';
    await outside.run(
      [
        'skopeo() { command skopeo "$@" --dest-tls-verify=false; }',
        'oras() { command oras "$@" --to-plain-http; }',
        `regctl registry set --tls disabled ${target.host}`,
      ].join('\n'),
    );
    // The other sample has Docker's media types, which skopeo 1.9 does not find.
    const [reading = 'false', readingOne = 'false'] = blocks.get(other) ?? [];
    await outside.run(reading.replaceAll('harness/ci-addon:1.18.22', saas.cacheS3Tag));
    await outside.run(readingOne);
    expect(target.storage.resolve('harness/plugins/cache', '1.10.12')).toMatch(/^sha256:/);
  });
});

describe('the story of a Self-Managed Platform', () => {
  it('lists inside, exports two versions outside, and imports both bundles', async () => {
    const heading = 'Self-Managed Platform';
    const harness = await startHarness(platform);
    const inside = new Side('platform', beyond, {
      'https://harness.example.com': harness.url,
      'sat.…': harness.apiKey,
    });
    const outside = new Side('connected', {}, { 'SOURCE_REGISTRY=dockerhub': `SOURCE_REGISTRY=${source.host}` });
    expect(await inside.follow(heading, 0)).toContain('2 images needed');
    inside.carry(outside, /^needs\.json$/);
    expect(await outside.follow(heading, 1)).toContain('2 images exported');
    expect(await outside.follow(heading, 2)).toContain('2 images exported');
    outside.carry(inside, /^smp\./, /^more\./);
    await inside.follow(heading, 3);
    expect(overridesOf(harness)).toEqual(copiesOf(platform));
    const versions = ['1.18.10', '1.18.27'].map((tag) => target.storage.resolve('harness/harnesssecure/ci-addon', tag));
    expect(versions).toEqual(versions.map(() => expect.stringMatching(/^sha256:/)));
  });
});

const hasAws = available('moto_server') && available('aws');
(hasAws ? describe : describe.skip)('the story of GovCloud', () => {
  let aws: MotoServer;
  beforeAll(async () => {
    aws = await shareMotoServer();
    target = await startRegistry();
    servers.push(target);
  });
  afterAll(() => aws?.close());

  it('exports to a bucket, copies to another, and imports from that', async () => {
    const heading = 'Commercial AWS to GovCloud';
    const harness = await startHarness(saas);
    const client = new S3Client({ ...aws.config, forcePathStyle: true });
    for (const Bucket of ['acme-harness-bundles', 'acme-harness-bundles-gov'])
      await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } }));
    const { endpoint, credentials } = aws.config;
    const profile = (name: string) =>
      `[profile ${name}]\naws_access_key_id = ${credentials.accessKeyId}\naws_secret_access_key = test\n`;
    writeFileSync(join(folder, 'aws'), profile('commercial') + profile('govcloud'));
    const person = new Side('person', {
      ...beyond,
      AWS_CONFIG_FILE: join(folder, 'aws'),
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      HARNESS_URL: harness.url,
      HARNESS_API_KEY: harness.apiKey,
      REGISTRY_NAME: `${target.host}/harness`,
    });
    await person.run(`export SOURCE_REGISTRY=${source.host}`);
    expect(await person.follow(heading, 0)).toContain('2 images exported');
    await person.run('export SOURCE_REGISTRY=unreachable.invalid');
    await person.follow(heading, 1);
    expect(await person.follow(heading, 2)).toContain('SUCCEEDED');
    expect(overridesOf(harness)).toEqual(copiesOf(saas));
  });
});

describe('the page of air gaps', () => {
  /** The commands of the page with their options, those within sentences too. */
  const commands = new Map<string, Set<string>>();
  for (const [, name = '', rest = ''] of page.matchAll(/factory (\w+)((?: (?!\|)[^\s`]+)*)/g)) {
    const options = commands.get(name) ?? new Set();
    for (const [option] of rest.matchAll(/--[a-z-]+/g)) options.add(option);
    if (options.size > 0) commands.set(name, options);
  }

  it('shows the commands that carry images', () => {
    expect([...commands.keys()].toSorted()).toEqual(['export', 'import', 'plan', 'verify']);
  });

  it.each([...commands].map(([name, options]) => ({ name, options })))(
    'shows options that factory $name has',
    async ({ name, options }) => {
      const help = await new Side(`help of ${name}`, {}).run(`factory ${name} --help`);
      expect([...options].filter((option) => !help.includes(`${option} `))).toEqual([]);
    },
  );

  it('has no block that no story runs', () => {
    const all = [...blocks].flatMap(([heading, { length }]) => Array.from({ length }, (_, i) => `${heading} ${i}`));
    const skipped = (block: string) =>
      (!hasAws && block.startsWith('Commercial')) || block.startsWith('Read a bundle') || block === 'Air gap 0';
    expect(all.filter((block) => !followed.has(block) && !skipped(block))).toEqual([]);
  });

  it('has links from the README, the page of the platform and the architecture', () => {
    const pages = ['README.md', 'docs/self-managed.md', 'docs/architecture.md'];
    const text = (name: string) => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
    expect(pages.filter((name) => !/\]\((?:docs\/)?air-gap\.md/.test(text(name)))).toEqual([]);
  });
});
