import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseImageName, parseRegistryLocation } from '../../functions/oci/spec/reference.ts';
import { findUnusedImages } from '../../functions/plan/unused-images.ts';
import { prune } from '../../functions/prune/prune.ts';
import type { Plan, PlannedImage, UnusedImage } from '../../functions/state/documents.ts';
import type { Quirks } from '../../infra/local/embedded/registry/quirks.ts';
import type { Image } from '../../infra/local/embedded/registry/storage.ts';
import { artifact, indexOf, storedImage } from '../oci/stored-images.ts';
import { type Factory, startFactory } from './factory.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import { imageOf } from './stage.ts';

/** Every case has repositories of its own, so that cases share one registry. */
const repositories = ['one', 'two'];

interface Case {
  /** The kind of each manifest: an image, an index of earlier ones, or an artifact that refers to an earlier one. */
  manifests: { kind: 'image' | 'index' | 'artifact'; of: number[] }[];
  tags: { repository: number; tag: string; to: number; ours: boolean; stale: number | undefined; use: Use }[];
  /** Manifests that are used by digest: by an override, or by an image of the plan whose tag does not exist yet. */
  digests: { repository: number; of: number; by: 'override' | 'plan' }[];
  quirks: Quirks;
}

type Use = 'nobody' | 'override' | 'override of another module' | 'plan' | 'kept field' | 'run at work';

const number = (max: number) => fc.nat({ max });
const cases: fc.Arbitrary<Case> = fc.record({
  manifests: fc.array(
    fc.record({
      kind: fc.constantFrom('image', 'image', 'index', 'index', 'artifact'),
      of: fc.uniqueArray(number(7), { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 3, maxLength: 8 },
  ),
  tags: fc.uniqueArray(
    fc.record({
      repository: number(1),
      tag: number(7).map((n) => `${n}`),
      to: number(7),
      ours: fc.constantFrom(true, true, true, false),
      stale: fc.option(number(7), { freq: 8, nil: undefined }),
      use: fc.constantFrom<Use>(
        ...(['nobody', 'nobody', 'nobody', 'nobody', 'override', 'override of another module'] as const),
        ...(['plan', 'kept field', 'run at work'] as const),
      ),
    }),
    { minLength: 2, maxLength: 8, selector: ({ repository, tag }) => `${repository}:${tag}` },
  ),
  digests: fc.array(fc.record({ repository: number(1), of: number(7), by: fc.constantFrom('override', 'plan') }), {
    maxLength: 2,
  }),
  quirks: fc.record(
    {
      deleteTag: fc.constantFrom('alone', 'refused', 'unsupported', 'manifest'),
      noReferrers: fc.boolean(),
      maxPageSize: fc.constantFrom(1, 2),
      noContentDigest: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
});

let factory: Factory;
let count = 0;
let plans = 0;
beforeAll(async () => {
  factory = await startFactory({ samples: {} });
});
afterAll(() => factory.close());

describe('a prune of any repository', () => {
  it('keeps everything complete that is in use or that others tagged', async () => {
    const leaves = async (each: Case) => void (await check(each));
    await fc.assert(fc.asyncProperty(cases, leaves), { numRuns: 60 });
  });

  it('deletes nothing where the registry does not list its tags', async () => {
    factory.target.faults.add({ match: { path: /\/tags\/list/, times: 100_000 }, act: { status: 403 } });
    const deletes = async (each: Case) => {
      for (const { status, reason } of await check(each, false))
        expect([status, reason]).toEqual(['kept', expect.stringContaining('HTTP 403')]);
    };
    await fc.assert(fc.asyncProperty(cases, deletes), { numRuns: 10 });
  });
});

/** Stages the case, prunes, and compares what is left with what must be left. Returns the rows of the prune. */
async function check({ manifests, tags, digests, quirks }: Case, listed = true): Promise<UnusedImage[]> {
  const { target, harness, store, registry } = factory;
  const prefix = `mirror/${count++}`;
  const nameOf = (repository: number) => `${prefix}/${repositories[repository]}`;
  const nodes = build(manifests);
  const nodeAt = (index: number) => nodes[index % nodes.length] as Node;
  const imageAt = (index: number) => nodeAt(index).image;
  const referenceOf = (repository: number, rest: string) => `${target.host}/${nameOf(repository)}${rest}`;
  for (const repository of repositories.keys())
    for (const { image } of nodes) target.storage.putImage(nameOf(repository), undefined, image);
  Object.assign(target.quirks, { deleteTag: undefined, noReferrers: undefined, maxPageSize: undefined });
  Object.assign(target.quirks, { noContentDigest: undefined, ...quirks });

  const inventory: Record<string, string> = {};
  const state = harness.state[harness.accountId];
  if (!state) throw new TypeError('the account is missing');
  const plan = emptyPlan(registry);
  const other = emptyPlan(registry);
  const overrides = { ci: {} as Record<string, string>, idp: {} as Record<string, string> };
  for (const [index, { repository, tag, to, ours, stale, use }] of tags.entries()) {
    const reference = referenceOf(repository, `:${tag}`);
    const { digest } = imageAt(to);
    target.storage.tag(nameOf(repository), tag, digest);
    if (ours) inventory[reference] = stale === undefined ? digest : imageAt(stale).digest;
    const row = { module: 'ci', infrastructureType: 'K8', field: `f${index}` } as const;
    if (use === 'override') overrides.ci[`f${index}`] = reference;
    if (use === 'override of another module') overrides.idp[`f${index}`] = reference;
    if (use === 'kept field') plan.kept.push({ ...row, value: reference });
    if (use === 'plan') plan.images.push(planned(reference, digest));
    if (use === 'run at work') other.images.push(planned(reference, digest));
  }
  for (const [index, { repository, of, by }] of digests.entries()) {
    const { digest } = imageAt(of);
    if (by === 'override') overrides.ci[`d${index}`] = referenceOf(repository, `@${digest}`);
    else plan.images.push(planned(referenceOf(repository, `:soon-${index}`), digest));
  }
  Object.assign(state.ci, { K8: overrides.ci, VM: {} });
  Object.assign(state.idp, { K8: overrides.idp });
  await store.put('inventory.json', Buffer.from(JSON.stringify(inventory)));
  await new RunDocuments(store, other.runId).plan.put(other);

  const used = [
    ...tags.filter(({ ours, use }) => use !== 'nobody' || !ours),
    ...digests.map(({ repository, of }) => ({ repository, tag: undefined, to: of, stale: undefined })),
  ];
  const rows = await run(plan);
  await store.put(`runs/${other.runId}/report.json`, Buffer.from('{}'));
  const { storage } = target;
  for (const { repository, tag, to } of used) {
    const name = nameOf(repository);
    if (tag !== undefined) expect([tag, storage.resolve(name, tag)]).toEqual([tag, imageAt(to).digest]);
    for (const each of whole(nodeAt(to))) expect([each, storage.manifest(name, each)?.digest]).toEqual([each, each]);
  }
  for (const { reference, digest, status, reason } of rows) {
    const { repository } = parseImageName(reference);
    if (status === 'kept') expect(reason).toMatch(/./);
    else if (status === 'deleted') expect(storage.manifest(repository, digest)).toBeUndefined();
    else expect(storage.manifest(repository, digest)).toBeDefined();
  }
  // What nothing leads to is deleted: a prune that deletes nothing would pass everything above.
  const moved = tags.filter(({ stale, to }) => stale !== undefined && imageAt(stale) !== imageAt(to));
  const unused = tags.filter((each) => each.ours && each.use === 'nobody' && !moved.includes(each));
  for (const { repository, tag, to } of listed ? unused : []) {
    const roots = [...used, ...moved].filter((root) => root.repository === repository);
    const guarded = roots
      .flatMap((root) => [root.to, root.stale ?? root.to])
      .flatMap((root) => guardedBy(nodeAt(root)));
    if (guarded.includes(imageAt(to).digest)) continue;
    expect(storage.manifest(nameOf(repository), imageAt(to).digest)).toBeUndefined();
    expect([tag, storage.resolve(nameOf(repository), tag)]).toEqual([tag, undefined]);
    const kept = await store.get('inventory.json');
    expect(kept?.toString()).not.toContain(`"${referenceOf(repository, `:${tag}`)}"`);
  }
  return rows;
}

interface Node {
  image: Image;
  children: Node[];
  subject: Node | undefined;
}

function build(manifests: Case['manifests']): Node[] {
  const nodes: Node[] = [];
  for (const [index, { kind, of }] of manifests.entries()) {
    const earlier = [...new Set(of.map((other) => nodes[other % index]))].filter((node) => node !== undefined);
    const content = Buffer.from(`content ${index}`);
    const [subject] = kind === 'artifact' ? earlier : [];
    const children = kind === 'index' ? earlier : [];
    const image = subject
      ? artifact('application/vnd.example', content, subject.image)
      : children.length > 0
        ? indexOf(children.map((child) => child.image))
        : storedImage([content]);
    nodes.push({ image, children, subject });
  }
  return nodes;
}

/** The digests that a pull of the whole image needs. */
function whole({ image, children }: Node): string[] {
  return [image.digest, ...children.flatMap(whole)];
}

/** Returns the digest of a node, and those of its children and its subject. */
function guardedBy({ image, children, subject }: Node): string[] {
  return [image.digest, ...children.flatMap(guardedBy), ...(subject ? guardedBy(subject) : [])];
}

function emptyPlan(registry: string): Plan {
  return {
    runId: `run-${count}-${++plans}`,
    action: 'sync',
    startedAt: new Date().toISOString(),
    registry: parseRegistryLocation(registry),
    modifyDefault: true,
    onPartialFailure: 'abort',
    referrers: 'off',
    prune: true,
    images: [],
    changes: [],
    kept: [],
    unused: [],
    warnings: [],
  };
}

function planned(target: string, digest: string): PlannedImage {
  return imageOf({ image: 'harness/any:1', target, digest, status: 'current' });
}

/** Finds what is unused and deletes it, as the tasks of a run do. */
async function run(plan: Plan): Promise<UnusedImage[]> {
  const { runId } = plan;
  return factory.task(async (_, task) => {
    const { runtime } = task;
    const { accountId } = await runtime.harness();
    await runtime.lock.take({ runId, action: 'sync' }, accountId);
    plan.unused = await findUnusedImages(plan, 1, [], { runtime });
    const documents = runtime.run(runId);
    await documents.plan.put(plan);
    await prune({ runId }, task);
    await runtime.store.put(`runs/${runId}/report.json`, Buffer.from('{}'));
    await runtime.lock.release(runId);
    return (await documents.pruned.find()) ?? [];
  }, undefined);
}
