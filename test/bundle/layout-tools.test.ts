import { execFile } from 'node:child_process';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import type { BundleDocument } from '../../functions/bundle/document.ts';
import { fileCarrier, fileSource } from '../../functions/bundle/file-carrier.ts';
import { type BundlePlace, openBundle } from '../../functions/bundle/open-bundle.ts';
import { writeFolder } from '../../functions/bundle/write-folder.ts';
import { writeTar } from '../../functions/bundle/write-tar.ts';
import { copyImage } from '../../functions/oci/copy/copy-image.ts';
import { openFile } from '../../functions/oci/layout/file-reader.ts';
import { folderFiles } from '../../functions/oci/layout/folder-files.ts';
import { Layout } from '../../functions/oci/layout/layout.ts';
import { tarFiles } from '../../functions/oci/layout/tar-files.ts';
import { Repository } from '../../functions/oci/registry/repository.ts';
import type { Source } from '../../functions/oci/registry/source.ts';
import { loadImage } from '../../functions/oci/spec/image.ts';
import { parseReference } from '../../functions/oci/spec/reference.ts';
import { type Registry as EmbeddedRegistry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { connect, expectWhole } from '../oci/connect.ts';
import { available } from '../real-parts.ts';
import { layoutTools, type LayoutPlace, type NamedImage } from './layout-tools.ts';
import { folder, planSamples, registry, samples, useSamples } from './sample-bundle.ts';

useSamples();

/** Samples that a tool cannot carry: skopeo turns Docker's media types into others, and neither of the two knows sha512. */
const beyond: Readonly<Partial<Record<keyof typeof layoutTools, readonly string[]>>> = {
  skopeo: ['plugins/docker:21', 'plugins/sha512:1'],
  crane: ['plugins/sha512:1'],
};
const referencesFor = (tool: keyof typeof layoutTools) =>
  Object.keys(samples).filter((reference) => !beyond[tool]?.includes(reference));
const kinds = ['folder', 'tar'] as const;
const scheme = 'http';
const tools = Object.keys(layoutTools) as (keyof typeof layoutTools)[];
const run = async (argv: readonly string[] = []) => promisify(execFile)(argv[0] ?? '', argv.slice(1));
const officialName = (reference: string) => `docker.io/${reference}`;
const placeOf = (kind: LayoutPlace['kind'], name: string): LayoutPlace => ({
  kind,
  path: join(folder, kind === 'tar' ? `${name}-in-one.tar` : name),
});

let target: EmbeddedRegistry;
beforeEach(async () => void (target = await startRegistry()));
afterEach(() => target.close());

/** Expects an image at the target, byte for byte, under its tag. */
function expectArrived(reference: string): void {
  const { repository, tag = '' } = parseReference(officialName(reference));
  const sample = samples[reference];
  if (!sample) throw new Error(`no sample ${reference}`);
  expect(target.storage.resolve(repository, tag)).toBe(sample.digest);
  expectWhole(target, repository, sample);
}

describe('a bundle', () => {
  let document: BundleDocument;
  beforeAll(async () => {
    const plan = await planSamples();
    ({ document } = await writeFolder(plan, placeOf('folder', 'bundle').path));
    await writeTar(plan, fileCarrier(placeOf('tar', 'bundle').path));
  });

  /** Returns a folder whose index lists one image, with the blobs of the bundle: what crane reads. */
  async function withOneImage({ name, digest }: NamedImage): Promise<LayoutPlace> {
    const { path } = placeOf('folder', `one-${digest.slice(-8)}`);
    const whole = placeOf('folder', 'bundle').path;
    const { mediaType } = document.images.find(({ image }) => image === name) ?? {};
    const [, size] = document.blobs.find(([blob]) => blob === digest) ?? [];
    await mkdir(path, { recursive: true });
    await copyFile(join(whole, 'oci-layout'), join(path, 'oci-layout'));
    await symlink(join(whole, 'blobs'), join(path, 'blobs'));
    const manifests = [{ mediaType, digest, size }];
    await writeFile(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return { kind: 'folder', path };
  }

  for (const tool of tools) {
    for (const kind of kinds.filter((each) => tool !== 'crane' || each === 'folder')) {
      const present = available(tool);
      (present ? it : it.skip)(
        `a bundle is read by ${tool} from a ${kind}, each image with its digest${present ? '' : ` (not on PATH: ${tool})`}`,
        async () => {
          for (const reference of referencesFor(tool)) {
            const { digest = '' } = samples[reference] ?? {};
            const image = { name: officialName(reference), digest };
            const from = tool === 'crane' ? await withOneImage(image) : placeOf(kind, 'bundle');
            await run(layoutTools[tool].push(from, image, { reference: `${target.host}/${reference}`, scheme }));
            expectArrived(reference);
          }
        },
        60_000,
      );
    }
  }
});

/** Writes every sample into a layout by a tool: into one folder, or into a tar each. */
async function writtenBy(tool: keyof typeof layoutTools, kind: LayoutPlace['kind']): Promise<Map<string, LayoutPlace>> {
  const places = new Map<string, LayoutPlace>();
  for (const [index, reference] of referencesFor(tool).entries()) {
    const place = placeOf(kind, kind === 'folder' ? `by-${tool}` : `by-${tool}-${index}`);
    await run(
      layoutTools[tool].pull({ reference: `${registry.host}/${reference}`, scheme }, place, officialName(reference)),
    );
    places.set(reference, place);
  }
  return places;
}

async function expectCopied(source: Source, wanted: string, reference: string): Promise<void> {
  const { repository, tag = '' } = parseReference(officialName(reference));
  const image = await loadImage(await source.manifest(wanted), (digest) => source.manifest(digest));
  await copyImage(source, new Repository(connect(target.host), repository), { image, tag });
  expectArrived(reference);
}

async function bundlePlace({ kind, path }: LayoutPlace): Promise<BundlePlace> {
  return kind === 'folder' ? { folder: path } : fileSource(path);
}

/** Layouts with full references as names, which say where an image belongs. */
const withReferences = [
  ['skopeo', 'folder'],
  ['skopeo', 'tar'],
  ['oras', 'folder'],
  ['regctl', 'tar'],
  ['crane', 'folder'],
] as const;

/** Layouts with tags alone as names. */
const withTags = [
  ['oras', 'tar'],
  ['regctl', 'folder'],
] as const;

describe('an import', () => {
  for (const [tool, kind] of withReferences) {
    const present = available(tool);
    (present ? it : it.skip)(
      `an import takes what ${tool} wrote into a ${kind} as a bundle${present ? '' : ` (not on PATH: ${tool})`}`,
      async () => {
        for (const [reference, place] of await writtenBy(tool, kind)) {
          const bundle = await openBundle(await bundlePlace(place));
          // Crane names an image by where it was read.
          const name = tool === 'crane' ? `${registry.host}/${reference}` : officialName(reference);
          expect(bundle.document.images.map(({ image }) => image)).toContain(name);
          expect(bundle.document.absent).toEqual([]);
          await expectCopied(bundle.source(name), parseReference(name).tag ?? '', reference);
          await bundle.close();
        }
      },
      60_000,
    );
  }

  for (const [tool, kind] of withTags) {
    const present = available(tool);
    (present ? it : it.skip)(
      `an import copies what ${tool} wrote into a ${kind} under tags, and does not guess their repositories${present ? '' : ` (not on PATH: ${tool})`}`,
      async () => {
        for (const [reference, place] of await writtenBy(tool, kind)) {
          await expect(bundlePlace(place).then((found) => openBundle(found))).rejects.toThrow(
            'no image in it has a full reference (host/repository:tag) as its name',
          );
          const files = kind === 'folder' ? folderFiles(place.path) : await tarFiles(await openFile(place.path));
          const source = (await Layout.open(files)).source();
          await expectCopied(source, samples[reference]?.digest ?? '', reference);
          const tag = kind === 'folder' ? officialName(reference).replaceAll(/[/:]/g, '_') : reference.split(':')[1];
          expect((await source.manifest(tag ?? '')).digest).toBe(samples[reference]?.digest);
          await files.close();
        }
      },
      60_000,
    );
  }
});
