import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import { pullThrough } from '../tasks/factory.ts';
import { Functions } from './functions.ts';
import { type LocalStack, startLocalStack } from './localstack.ts';

/** An AWS without a deployment, and what is outside of AWS. */
export interface Surroundings {
  aws: LocalStack;
  functions: Functions;
  harness: EmbeddedHarnessApi;
  source: Registry;
  target: Registry;
  /** `host:port/mirror` */
  registry: string;
  /** A folder that `close` removes. */
  folder: string;
  /** The overrides of Harness now. */
  overrides(): Images;
  close(): Promise<void>;
}

/**
 * @param images what Harness has by default, by field
 * @param environment further variables of every function
 */
export async function startSurroundings(
  images: Readonly<Images>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Surroundings> {
  await using started = new AsyncDisposableStack();
  const keep = <T extends { close(): Promise<void> }>(part: T) => started.adopt(part, (it) => it.close());
  const folder = mkdtempSync(join(tmpdir(), 'deployed-'));
  started.defer(() => rmSync(folder, { recursive: true, force: true }));

  const harness = keep(await startHarnessApi({ defaults: { ci: { K8: { ...images }, VM: {} } } }));
  const source = keep(await startRegistry());
  const target = keep(await startRegistry());
  pushSamples(source, [...new Set(Object.values(images))], { layerBytes: 300 });
  pullThrough(harness, `http://${target.host}`);

  let functions: Functions | undefined;
  const aws = keep(
    await startLocalStack(folder, async (call) => {
      if (!functions) throw new Error(`${call.name} was invoked before it was deployed`);
      return functions.invoke(call);
    }),
  );
  functions = keep(new Functions({ AWS_ENDPOINT_URL: aws.config.endpoint, ...environment }));
  const whole = started.move();
  return {
    aws,
    functions,
    harness,
    source,
    target,
    registry: `${target.host}/mirror`,
    folder,
    overrides: () => ({ ...harness.state[harness.accountId]?.ci.K8 }),
    close: () => whole.disposeAsync(),
  };
}
