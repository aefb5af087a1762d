import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { budgets } from '../../aws/bundle-budgets.ts';
import { type Deployment, sourcePrefix, startDeployment, targetHost } from '../../aws/deployment.ts';
import { type LambdaFunctionOptions, startSandbox } from '../../aws/lambda-function.ts';
import { ImageStore } from '../image-store.ts';
import { runtimeInterfaceClient } from './runtime-interface-client.ts';
import { usageOf } from './process-usage.ts';

export interface LambdaBenchOptions {
  /** Measurements of each kind, of which the median counts. */
  repeat: number;
  /** Size of the image that is copied. */
  mebibytes: number;
  onProgress: (line: string) => void;
}

export interface StartUp {
  task: string;
  bytes: number;
  budget: number;
  memoryMiB: number;
  /** Time from the start of the process to its first request for an event. */
  initMs: number;
  /** Times of the first event, which loads what is needed, and of the second. */
  firstMs: number;
  secondMs: number;
  rssMiB: number;
}

interface CopyCost {
  mebibytes: number;
  wallSeconds: number;
  cpuSecondsPerGiB: number;
  peakRssMiB: number;
}

export interface LambdaBenchResult {
  runtimeClient: string;
  startUps: StartUp[];
  copy: CopyCost;
}

const image = 'harness/bench:1.0.0';
const layers = 4;

/** Measures the functions as they are deployed: their size, how they start, and what a copy takes. */
export async function benchLambda({ repeat, mebibytes, onProgress }: LambdaBenchOptions): Promise<LambdaBenchResult> {
  const ric = await runtimeInterfaceClient(onProgress);
  const folder = await mkdtemp(join(tmpdir(), 'bench-lambda-'));
  let deployment: Deployment | undefined;
  try {
    onProgress(`an image of ${mebibytes} MiB, and the deployment`);
    const source = join(folder, 'source');
    await writeImage(source, mebibytes);
    deployment = await startDeployment({ folder, source, images: { addonTag: image } });
    const client = ric === undefined ? {} : { runtimeClient: [ric, 'index.handler'] };
    const startUps: StartUp[] = [];
    for (const options of deployment.functions.values()) {
      onProgress(`starting ${options.name}`);
      startUps.push(await measureStart({ ...options, ...client }, deployment, repeat));
    }
    const copies: CopyCost[] = [];
    for (let round = 1; round <= repeat; round++) {
      onProgress(`copying, round ${round}`);
      copies.push(await measureCopy(deployment, client, round, mebibytes));
    }
    const runtimeClient =
      ric === undefined ? 'a client of ours, because aws-lambda-ric is not there' : 'aws-lambda-ric';
    return { runtimeClient, startUps, copy: median(copies, ({ cpuSecondsPerGiB }) => cpuSecondsPerGiB) };
  } finally {
    await deployment?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeImage(data: string, mebibytes: number): Promise<void> {
  const store = new ImageStore(data);
  const [name = '', tag] = image.split(':');
  const repository = `${sourcePrefix}/${name}`;
  const content = [];
  for (let n = 0; n < layers; n++)
    content.push(await store.layer(repository, `lambda ${n}`, (mebibytes / layers) * 1024 * 1024));
  await store.image(repository, { os: 'linux', architecture: 'amd64' }, content, tag);
}

async function measureStart(options: LambdaFunctionOptions, { bundles }: Deployment, repeat: number): Promise<StartUp> {
  const { name: task, memoryMiB } = options;
  const event = { runId: 'absent', image: 0, state: {}, input: { action: 'none' }, ...unauthorizedRequest };
  const starts: StartUp[] = [];
  for (let round = 0; round < repeat; round++) {
    const sandbox = await startSandbox(options);
    const call = async () => {
      const started = performance.now();
      // That there is no such run is an error of the task, as good as any other answer.
      await sandbox.invoke(event).catch(() => undefined);
      return performance.now() - started;
    };
    try {
      const { initMs, pid } = sandbox;
      const [firstMs, secondMs] = [await call(), await call()];
      const bytes = bundles.get(task)?.bytes ?? 0;
      const { rssMiB } = usageOf(pid);
      starts.push({ task, bytes, budget: budgets.of(task), memoryMiB, initMs, firstMs, secondMs, rssMiB });
    } finally {
      await sandbox.close();
    }
  }
  return median(starts, ({ initMs, firstMs }) => initMs + firstMs);
}

/** The webhook gets as far as to refuse it. */
const unauthorizedRequest = {
  rawPath: '/runs',
  headers: {},
  requestContext: { domainName: 'example', http: { method: 'POST' } },
};

/** Plans a run and copies its one image to repositories that are new, through TLS on both sides. */
async function measureCopy(
  { functions }: Deployment,
  client: Partial<LambdaFunctionOptions>,
  round: number,
  mebibytes: number,
): Promise<CopyCost> {
  const event = { runId: `run-${round}`, image: 0, input: { modify_default: false }, state: {} };
  const start = (task: string) => {
    const options = functions.get(task);
    if (!options) throw new Error(`no function for ${task}`);
    const environment = { ...options.environment, REGISTRY_NAME: `${targetHost}/round-${round}` };
    return startSandbox({ ...options, ...client, environment });
  };
  const call = async (task: string) => {
    const sandbox = await start(task);
    await sandbox.invoke(event).finally(() => sandbox.close());
  };
  await call('plan');
  const copying = await start('copy');
  try {
    const before = usageOf(copying.pid);
    const started = performance.now();
    const { status } = (await copying.invoke(event)) as { status: string };
    const wallSeconds = (performance.now() - started) / 1000;
    if (status !== 'copied') throw new Error(`the image was not copied but is ${status}: ${copying.log()}`);
    const { cpuSeconds, peakRssMiB } = usageOf(copying.pid);
    const cpuSecondsPerGiB = ((cpuSeconds - before.cpuSeconds) * 1024) / mebibytes;
    return { mebibytes, wallSeconds, cpuSecondsPerGiB, peakRssMiB };
  } finally {
    await copying.close();
    // Gives the lock back, for the next round.
    await call('report');
  }
}

function median<T>(items: readonly T[], by: (item: T) => number): T {
  const middle = items.toSorted((a, b) => by(a) - by(b))[Math.floor((items.length - 1) / 2)];
  if (middle === undefined) throw new RangeError('nothing was measured');
  return middle;
}
