import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { modules } from './modules.ts';
import { apply, explanationOf, type Mutant, mutantsOf } from './mutants.ts';
import { type Verdict, verdictOf } from './verdict.ts';

interface Options {
  perModule: number;
  seed: number;
  workers: number;
  gate: number;
}

const program = new Command('test:mutation')
  .description('Puts small mistakes into the modules that decide loss or switch, one at a time, and runs their tests.')
  .argument('[modules...]', 'parts of the paths of modules; all without')
  .option('--per-module <n>', 'mutants of each module, drawn at random; 0: every one', wholeNumber, 12)
  .option('--seed <n>', 'draws the same mutants again', wholeNumber, Math.floor(Math.random() * 1e6))
  .option('--workers <n>', 'mutants tried at the same time', wholeNumber, 2)
  .option('--gate <percent>', 'the share that failing tests must kill', wholeNumber, 95)
  .parse();

const options = program.opts<Options>();
const root = join(import.meta.dirname, '../..');
/** A mistake may make a suite wait for ever. */
const timeoutMs = 180_000;

interface Trial {
  module: string;
  suites: readonly string[];
  mutant: Mutant;
}

const random = randomNumbers(options.seed);
const trials: Trial[] = [];
const sources = new Map<string, string>();
for (const [module, suites] of Object.entries(modules)) {
  if (program.args.length > 0 && !program.args.some((part) => module.includes(part))) continue;
  const source = await readFile(join(root, module), 'utf8');
  sources.set(module, source);
  const mutants = mutantsOf(source);
  const drawn = options.perModule === 0 ? mutants : draw(mutants, options.perModule);
  trials.push(...drawn.map((mutant) => ({ module, suites, mutant })));
}
if (trials.length === 0) program.error(`no module's path contains ${program.args.join(', ')}`);
console.log(`${trials.length} mutants of ${sources.size} modules, seed ${options.seed}`);

await using copies = new AsyncDisposableStack();
const verdicts = new Map<Trial, Verdict>();
const queue = [...trials];
const unchecked = [...new Set(trials.flatMap(({ suites }) => suites))];
await Promise.all(
  Array.from({ length: options.workers }, async () => {
    const copy = await workingCopy();
    copies.defer(() => rm(copy, { recursive: true }));
    for (let suite = unchecked.shift(); suite !== undefined; suite = unchecked.shift()) await expectGreen(copy, suite);
    for (let trial = queue.shift(); trial; trial = queue.shift()) {
      const verdict = await judge(copy, trial);
      verdicts.set(trial, verdict);
      console.log(`${verdicts.size}/${trials.length} ${verdict.padEnd(9)} ${describe(trial)}`);
    }
  }),
);

const having = (...wanted: Verdict[]) => trials.filter((trial) => wanted.includes(verdicts.get(trial) ?? 'broken'));
const killed = having('killed').length;
const alive = having('survived', 'timed out');
const percent = (100 * killed) / Math.max(1, killed + alive.length);
console.log(
  `\n${killed} of ${killed + alive.length} killed by a failing test (${percent.toFixed(1)} %), ` +
    `${having('survived').length} survived, ${having('timed out').length} timed out; ` +
    `${having('broken').length} more do not compile or load; seed ${options.seed}`,
);
const explained = alive.filter((trial) => {
  const why = explanationOf(sources.get(trial.module) ?? '', trial.mutant);
  console.log(`${why === undefined ? 'UNEXPLAINED' : 'explained'} ${describe(trial)}${why ? ` (${why})` : ''}`);
  return why !== undefined;
});
if (percent < options.gate || explained.length < alive.length) process.exitCode = 1;

/** Suites must pass without a mutant, or every mutant would seem killed. */
async function expectGreen(copy: string, suite: string): Promise<void> {
  const verdict = await runSuite(copy, suite);
  if (verdict !== 'survived') throw new Error(`${suite} fails without any mutant: ${verdict}`);
}

async function judge(copy: string, { module, suites, mutant }: Trial): Promise<Verdict> {
  const source = sources.get(module) ?? '';
  const path = join(copy, module);
  await writeFile(path, apply(source, mutant));
  try {
    const seen = new Set<Verdict>();
    // Not all in one process: the order is that of the list, the fastest first.
    for (const suite of suites) {
      const verdict = await runSuite(copy, suite);
      if (verdict === 'killed' || verdict === 'broken') return verdict;
      seen.add(verdict);
    }
    if (seen.has('timed out')) return 'timed out';
    // A default that only the type checker asks for is no mistake that a test could notice.
    return (await run(copy, ['node_modules/typescript/bin/tsc'])) === 0 ? 'survived' : 'broken';
  } finally {
    await writeFile(path, source);
  }
}

async function runSuite(copy: string, suite: string): Promise<Verdict> {
  const results = join(copy, 'mutation-results.json');
  await rm(results, { force: true });
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const output = ['--json', `--outputFile=${results}`, '--silent'];
  await run(copy, [...flags, 'node_modules/jest/bin/jest.js', '--runInBand', ...output, suite]);
  return verdictOf(await readFile(results, 'utf8').catch(() => undefined));
}

/** Runs a program of Node.js, for at most `timeoutMs`. Returns its exit code; `null` when its time was up. */
async function run(copy: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, args, { cwd: copy, stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return code;
}

/** A copy of the tree for mistakes to be put into; the packages are linked. */
async function workingCopy(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'factory-mutation-'));
  const left = new Set(['node_modules', '.git', 'cdk.out', 'dist', 'coverage']);
  await cp(root, copy, { recursive: true, filter: (path) => !left.has(relative(root, path)) });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

function describe({ module, mutant: { line, original, replacement } }: Trial): string {
  const short = (text: string) => text.replaceAll(/\s+/g, ' ').slice(0, 60);
  return `${module}:${line} ${short(original)} -> ${short(replacement)}`;
}

function draw(mutants: readonly Mutant[], count: number): Mutant[] {
  const rest = [...mutants];
  const drawn: Mutant[] = [];
  while (drawn.length < count && rest.length > 0) drawn.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return drawn;
}

/** A linear congruential generator, good enough to draw with and the same everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number');
  return Number(text);
}
