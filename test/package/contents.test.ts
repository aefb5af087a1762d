import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { root } from '../../infra/package/root.ts';
import { files, sizes } from './contents.ts';
import { install, node, pack, write } from './project.ts';

/** Checkers of packages. They are no packages of this project, because nothing else needs them. */
const checkers = {
  publint: '0.3.25',
  '@arethetypeswrong/cli': '0.18.5',
  '@cyclonedx/cyclonedx-library': '10.3.0',
  ajv: '8.20.0',
  'ajv-formats': '3.0.1',
  'ajv-formats-draft2019': '1.6.1',
};

let tarball: string;
let project: string;
let installed: string;
beforeAll(async () => {
  tarball = await pack();
  project = await install({ ...checkers, 'harness-ci-image-factory': `file:${tarball}` });
  installed = join(project, 'node_modules/harness-ci-image-factory');
});

const paths = () =>
  readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(installed.length + 1)
        .replaceAll('\\', '/'),
    );
const bytes = (file: string) => statSync(join(installed, file)).size;
const text = (file: string) => readFileSync(join(installed, file), 'utf8');

describe('the tarball', () => {
  it('holds the files of the list, and no others', () => {
    const named = paths().map((path) =>
      path
        .replace(/^bin\/[\w.-]+-[A-Z0-9]{8}\.mjs$/, 'bin/*.mjs')
        .replace(/^docs\/[\w-]+\.md$/, 'docs/*.md')
        .replace(/^docs\/examples\/[\w-]+\//, 'docs/examples/*/'),
    );
    expect([...new Set(named)].toSorted()).toEqual(files);
  });

  it('keeps each part below its largest size', () => {
    const size = { 'the tarball': statSync(tarball).size };
    const measured = Object.keys(sizes).map((part) => [
      part,
      part in size
        ? size['the tarball']
        : paths()
            .filter((path) => path.startsWith(part))
            .reduce((sum, path) => sum + bytes(path), 0),
    ]);
    const kilobytes = Object.fromEntries(measured.map(([part, sum]) => [part, Math.ceil(Number(sum) / 1000)]));
    for (const [part, most] of Object.entries(sizes)) {
      expect([part, kilobytes[part]]).toEqual([part, expect.any(Number)]);
      expect(kilobytes[part]).toBeGreaterThan(most / 10);
      expect([part, Math.max(most, kilobytes[part] ?? 0)]).toEqual([part, most]);
    }
  });

  it('names no folder of the machine that built it', () => {
    const named = paths().filter((path) => [root, homedir()].some((folder) => text(path).includes(`${folder}/`)));
    expect(named).toEqual([]);
  });

  it('has pages whose links lead to pages of the package', () => {
    const pages = paths().filter((path) => path.endsWith('.md'));
    const broken = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        .map(([, target = '']) => join(page, '..', target).replaceAll('\\', '/'))
        .filter((target) => !paths().includes(target))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it('has the texts of pictures in their place', () => {
    const pages = paths().filter((path) => path.endsWith('.md'));
    expect(pages.filter((page) => /<picture>|<img |!\[/.test(text(page)))).toEqual([]);
    expect(text('README.md')).toContain('_The page of a run: the sync succeeded');
  });

  it('has a package.json in order, says publint', async () => {
    const printed = await node(join(project, 'node_modules/publint/src/cli.js'), ['run', tarball, '--strict'], {
      cwd: project,
    });
    expect(printed).toContain('All good!');
  });

  it('has types for every module resolution', async () => {
    const attw = join(project, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    expect(await node(attw, [tarball, '--format', 'ascii', '--no-color'], { cwd: project })).toContain(
      'No problems found',
    );
  });
});

describe('what the bundles hold', () => {
  interface Sbom {
    components: { name: string; version: string; licenses: { expression: string }[] }[];
  }
  const components = () => (JSON.parse(text('sbom.cdx.json')) as Sbom).components;

  it('lists its packages in valid CycloneDX', async () => {
    write(project, {
      'validate.mjs': `import { readFileSync } from 'node:fs';
        import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
        const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
        console.log(await validator.validate(readFileSync(process.argv[2], 'utf8')));`,
    });
    const printed = await node(join(project, 'validate.mjs'), [join(installed, 'sbom.cdx.json')], { cwd: project });
    expect(printed).toBe('null\n');
    const names = components().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['zod', 'undici', 'commander', '@aws-sdk/client-ecr', '@smithy/core']),
    );
    expect(names.filter((name) => /^(?:aws-cdk-lib|constructs|esbuild|typescript)$/.test(name))).toEqual([]);
  });

  it('has its licenses in full, and each permits the distribution', () => {
    const sections = text('THIRD-PARTY-LICENSES.txt')
      .split(`\n\n${'-'.repeat(80)}\n\n`)
      .slice(1);
    const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'MIT-0'];
    expect(sections).toHaveLength(components().length);
    for (const [index, { name, version, licenses }] of components().entries()) {
      const [expression = ''] = licenses.map((license) => license.expression);
      expect(permissive).toContain(expression);
      expect(sections[index]).toMatch(
        new RegExp(`^${RegExp.escape(`${name} ${version} (${expression})`)}\n\n[^]{400}`),
      );
    }
  });
});
