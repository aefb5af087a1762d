import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import packageJson from '../package.json' with { type: 'json' };
import { partitions } from '../functions/oci/registry/aws-partitions.ts';
import { inputKeys } from '../functions/settings/input-schema.ts';
import { tasks } from '../infra/local/tasks.ts';
import { variableNames } from './docs/reference/page.ts';
import { readWorkflowDefinition, tasksOf, placeholderOf } from '../infra/workflow-definition.ts';

const root = join(import.meta.dirname, '..');

/** Source files below a folder, as paths from the root. */
function sources(folder: string): string[] {
  return filesOf(folder).filter((file) => file.endsWith('.ts'));
}

/** Files below a folder that deploy or run, as paths from the root. */
function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Returns the imports of a file: our own files as paths from the root, packages by name. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const specifiers = [
    ...text.matchAll(
      /(?:^|\n)(?:import|export)\s[^'"]*?from\s+'([^']+)'|\bimport\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
    ),
  ];
  return specifiers
    .map(([, a, b, c]) => a ?? b ?? c ?? '')
    .map((specifier) => (specifier.startsWith('.') ? join(dirname(file), specifier) : specifier));
}

const own = /^(?:functions|infra|test)\//;
const libraries = [
  'async',
  'aws',
  'doctor',
  'bundle',
  'harness',
  'http',
  'images',
  'lambda',
  'oci',
  'overrides',
  'pages',
  'runtime',
  'settings',
  'state',
  'text',
];
/** Functions that are no task of the workflow. */
const others = ['ecr-token', 'overdue', 'webhook'];
const taskFolders = readdirSync(join(root, 'functions'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && ![...libraries, ...others].includes(entry.name))
  .map(({ name }) => name);

/** The files of ours that the files of a folder may import. All others of ours are forbidden to them. */
const mayImport: Record<string, RegExp> = {
  'functions/text': /^functions\/text\//,
  'functions/async': /^functions\/async\//,
  'functions/http': /^functions\/(?:async|http|text)\/|^functions\/hint\.ts$/,
  'functions/harness': /^functions\/(?:harness|http|text)\/|^functions\/(?:advice|errors)/,
  // Could be published by itself: nothing of AWS, nothing of Harness.
  'functions/oci/spec': /^functions\/(?:oci\/spec|async|http|text)\/|^functions\/(?:errors|hint)/,
  'functions/oci/registry': /^functions\/(?:oci\/(?:spec|registry)|async|http|text)\/|^functions\/(?:errors|hint)/,
  'functions/oci/layout': /^functions\/(?:oci\/(?:spec|registry|layout)|async|http|text)\/|^functions\/errors/,
  'functions/oci/copy': /^functions\/(?:oci|async|http|text)\/|^functions\/errors/,
  'functions/bundle': /^functions\/(?:bundle|oci|async|http|text)\/|^functions\/errors\.ts$/,
  'functions/settings': /^functions\/(?:settings|harness|oci|text)\/|^functions\/errors/,
  'functions/state': /^functions\/(?:state|settings|harness|oci|text)\/|^functions\/errors|^functions\/bundle\/receipt/,
  'functions/aws':
    /^functions\/(?:aws|bundle|async|http|oci|state|text)\/|^functions\/(?:advice|errors|runtime\/template)\.ts$/,
  'functions/runtime': /^functions\/(?:runtime|bundle|state|settings|harness|http|oci|text)\//,
  'functions/overrides': /^functions\/(?:overrides|runtime|state|settings|harness|oci|text)\/|^functions\/errors\.ts$/,
  'functions/doctor':
    /^functions\/(?:doctor|overrides|runtime|state|settings|harness|http|oci|text)\/|^functions\/(?:advice|errors)\.ts$/,
  'functions/images': /^functions\/(?:images|overrides|runtime|state|oci|async)\/|^functions\/errors\.ts$/,
  'functions/lambda':
    /^functions\/(?:lambda|aws|bundle|runtime|state|settings|http|oci|text)\/|^functions\/(?:errors|workflow-error)\.ts$/,
  'functions/pages': /^functions\/(?:pages|state|settings|http|text)\/|^functions\/errors\.ts$/,
  'functions/ecr-token': /^functions\/(?:ecr-token|lambda|aws|settings|harness|http|text)\/|^functions\/errors/,
  'functions/overdue': /^functions\/(?:overdue|lambda|state)\//,
  'functions/webhook': /^functions\/(?:webhook|lambda|aws|state|settings|text)\/|^functions\/errors/,
  // A fake that shared code with its client would share its mistakes.
  'infra/local/embedded/harness-api': /^infra\/local\/embedded\/harness-api\//,
  'infra/local/embedded/registry': /^infra\/local\/embedded\/registry\//,
};

/** The room of a file: a folder of `functions`, a room of the OCI library, or a file beside them. */
function roomOf(file: string): string {
  const [, room = '', inner = ''] = file.split('/');
  return room === 'oci' ? `oci/${inner}` : room;
}

/**
 * Divides the rooms into floors: each imports only from the floors below. Rooms that no floor can hold are a circle.
 */
function floors(): [floor: number, rooms: string][] {
  const below = new Map<string, Set<string>>();
  for (const file of sources('functions')) {
    const room = roomOf(file);
    const targets = importsOf(file).filter((target) => target.startsWith('functions/'));
    const others = targets.map(roomOf).filter((other) => other !== room);
    below.set(room, (below.get(room) ?? new Set()).union(new Set(others)));
  }
  const found: string[][] = [];
  for (const placed = new Set<string>(); placed.size < below.size;) {
    const free = [...below].filter(([room, under]) => !placed.has(room) && under.isSubsetOf(placed));
    const rooms = free.map(([room]) => room);
    if (rooms.length === 0) {
      found.push([`circle: ${[...below.keys()].filter((room) => !placed.has(room)).join(', ')}`]);
      break;
    }
    for (const room of rooms) placed.add(room);
    found.push(rooms);
  }
  return found.map((rooms, index) => [index + 1, rooms.join(', ')]);
}

describe('imports run one way', () => {
  it.each(Object.entries(mayImport))('%s imports only what it may', (folder, allowed) => {
    const violations = sources(folder).flatMap((file) =>
      importsOf(file)
        .filter((target) => own.test(target) && !allowed.test(target))
        .map((target) => `${file} → ${target}`),
    );
    expect(violations).toEqual([]);
  });

  it.each(taskFolders)('task %s imports libraries, and nothing of another task', (task) => {
    const allowed = new RegExp(
      `^functions/(?:${libraries.filter((name) => name !== 'aws').join('|')}|${task})/|^functions/[a-z-]+\\.ts$`,
    );
    const violations = sources(`functions/${task}`).flatMap((file) =>
      importsOf(file).filter((target) => own.test(target) && !allowed.test(target)),
    );
    expect(violations).toEqual([]);
  });

  it.each(floors())('floor %i holds %s', (_, rooms) => {
    expect(rooms).not.toMatch(/^circle/);
  });

  it('imports nothing of the deployment or the tests into code that runs', () => {
    const violations = sources('functions').flatMap((file) =>
      importsOf(file).filter((target) => /^(?:infra|test)\//.test(target)),
    );
    expect(violations).toEqual([]);
  });

  it('keeps the version out of code that runs, so that only a change of a function changes its bundle', () => {
    const versioned = sources('functions').filter((file) => importsOf(file).includes('package.json'));
    expect(versioned).toEqual([]);
    expect(importsOf('infra/local/cli.ts')).toContain('package.json');
  });

  it('infra knows tasks by their entry only', () => {
    const inside = new RegExp(`^functions/(${[...taskFolders, ...others].join('|')})/(?!handler\\.ts|\\1\\.ts)`);
    const violations = sources('infra').flatMap((file) => importsOf(file).filter((target) => inside.test(target)));
    expect(violations).toEqual([]);
  });

  const importing = (pattern: RegExp) =>
    [...sources('functions'), ...sources('infra')].filter((file) =>
      importsOf(file).some((target) => pattern.test(target)),
    );

  it('imports the AWS SDK only for the AWS adapters, and the CDK only in infra', () => {
    expect(importing(/^@aws-sdk\//).filter((file) => !file.startsWith('functions/aws/'))).toEqual([]);
    expect(importing(/^aws-cdk-lib/).filter((file) => !/^infra\/(?!local\/)/.test(file))).toEqual([]);
  });

  it('imports the core of CDK without every service', () => {
    // An import of `aws-cdk-lib` itself loads the index of each service.
    expect(importing(/^aws-cdk-lib$/)).toEqual([]);
  });
});

describe('libraries that know nothing of the product', () => {
  const names = [
    ...variableNames(),
    ...inputKeys().map((key) => (key.includes('_') ? key : `"${key}"`)),
    'the factory',
    'sync',
    'Lambda',
    'Harness',
  ].map((name) => (name.startsWith('"') ? name : String.raw`\b${name}\b`));
  const named = new RegExp(names.join('|'));
  const comments = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

  it.each([
    'functions/oci/spec',
    'functions/oci/registry',
    'functions/oci/layout',
    'functions/oci/copy',
    'functions/http',
  ])('%s names no variable, input key or command of the product', (folder) => {
    const found = sources(folder).flatMap((file) => {
      const code = readFileSync(join(root, file), 'utf8').replaceAll(comments, '');
      return code
        .split('\n')
        .filter((line) => named.test(line))
        .map((line) => `${file}: ${line.trim()}`);
    });
    expect(found).toEqual([]);
  });
});

describe('scripts that Node.js runs', () => {
  // Jest's globals throw in a process that is no test.
  const scripts = Object.values(packageJson.scripts).flatMap((line) => line.match(/\btest\/\S+\.ts$/)?.[0] ?? []);
  const plain = scripts.filter((file) => !file.endsWith('.test.ts'));

  it('package.json names the benchmark and the fault scoreboard', () => {
    expect(plain).toEqual(expect.arrayContaining(['test/bench/main.ts', 'test/oci/copy/fault-scoreboard.ts']));
  });

  it.each(plain)('%s loads no test runner, through none of its imports', (script) => {
    const importers = new Map([[script, '']]);
    for (const file of importers.keys()) {
      if (!file.endsWith('.ts')) continue;
      for (const target of importsOf(file)) if (!importers.has(target)) importers.set(target, file);
    }
    expect(importers.size).toBeGreaterThan(1);
    expect([...importers].filter(([target]) => /^@?jest\b/.test(target))).toEqual([]);
  });
});

describe('markup of pages', () => {
  /** The values of links, each built of parts of ours: an id of a section, a place in the folder, a host of the console. */
  const links = new Set([
    'icon',
    '"#main"',
    '`#${id}`',
    'page(run.runId)',
    'files.report',
    'files.history',
    'execution',
    'pageOf(runId)',
  ]);
  const code = [...sources('functions'), ...sources('infra')].map((file) => ({
    file,
    text: readFileSync(join(root, file), 'utf8'),
  }));

  it('one file writes markup without escaping and draws it as a string', () => {
    const raw = code.filter(({ text }) => /dangerouslySetInnerHTML=|__html|innerHTML|renderToString/.test(text));
    expect(raw.map(({ file }) => file)).toEqual(['functions/pages/document.ts']);
  });

  it('every link leads to an address that the product builds, never to a text of other parties', () => {
    const pages = code.filter(({ file }) => file.startsWith('functions/pages/'));
    const found = pages.flatMap(({ file, text }) =>
      text
        .matchAll(/\bhref=(?:\$\{((?:`[^`]*`|[^`}])+)\}|("[^"]*"))/g)
        .map(([, value, literal]) => `${file}: ${value ?? literal}`)
        .toArray(),
    );
    expect(found.filter((each) => !links.has(each.slice(each.indexOf(': ') + 2)))).toEqual([]);
    const written = pages.flatMap(({ text }) => [...text.matchAll(/\bhref\b/g)]);
    expect(found).toHaveLength(written.length);
    const others = pages.filter(({ text }) =>
      /\b(?:src|srcset|action|formaction|poster|ping|cite|xlink:href)=["$]|<(?:iframe|object|embed|base|form|img)\b/.test(
        text,
      ),
    );
    expect(others.map(({ file }) => file)).toEqual([]);
  });
});

describe('partitions of AWS', () => {
  const table = 'functions/oci/registry/aws-partitions.ts';
  const literals = [
    ...partitions.map(({ id }) => `arn:${id}:`),
    ...partitions.flatMap(({ dnsSuffix, dualStackSuffix }) => [dnsSuffix, dualStackSuffix ?? dnsSuffix]),
  ];

  it('names the hosts of AWS partitions in one file', () => {
    const found = [...filesOf('functions'), ...filesOf('infra')]
      .filter((file) => file !== table)
      .flatMap((file) => {
        const text = readFileSync(join(root, file), 'utf8');
        return literals.filter((literal) => text.includes(literal)).map((literal) => `${file}: ${literal}`);
      });
    expect(found).toEqual([]);
    for (const literal of partitions.map(({ dnsSuffix }) => dnsSuffix))
      expect(readFileSync(join(root, table), 'utf8')).toContain(literal);
  });
});

describe('the workflow and its tasks', () => {
  const definition = readWorkflowDefinition();

  it('has a folder for each task, and a task for each folder', () => {
    expect(tasksOf(definition).toSorted()).toEqual(taskFolders.toSorted());
  });

  it('finds each task in the local engine too', () => {
    expect(Object.keys(tasks).toSorted()).toEqual(taskFolders.map(placeholderOf).toSorted());
  });
});
