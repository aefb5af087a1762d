import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory-props.ts';

/** A function as it is deployed. */
export interface BundledFunction {
  /** The folder that Lambda unpacks, with `index.mjs`. */
  folder: string;
  bytes: number;
  memoryMiB: number;
  timeoutSeconds: number;
  /** Values may be intrinsic functions of CloudFormation. */
  environment: Record<string, unknown>;
}

export interface CloudFormationTemplate {
  Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>;
}

interface FunctionProperties {
  Code: { S3Key: string };
  MemorySize: number;
  Timeout: number;
  Environment: { Variables: Record<string, unknown> };
}

const run = promisify(execFile);

/**
 * The stack of one factory as `cdk deploy` makes it, with its functions, by task, bundled into `outdir`. `layer` is a
 * folder for their `/opt`.
 */
export async function synthesizeBundled(outdir: string, props: HarnessCiImageFactoryProps = {}, layer?: string) {
  const app = join(import.meta.dirname, 'bundled-app.ts');
  await run(process.execPath, [app, outdir, JSON.stringify(props), ...(layer === undefined ? [] : [layer])]);
  const template = JSON.parse(readFileSync(join(outdir, 'Stack.template.json'), 'utf8')) as CloudFormationTemplate;
  const functions = Object.values(template.Resources)
    .filter(({ Type }) => Type === 'AWS::Lambda::Function')
    .map(({ Properties }) => bundledFunction(outdir, Properties as unknown as FunctionProperties));
  return { template, functions: new Map(functions) };
}

function bundledFunction(
  outdir: string,
  { Code, MemorySize, Timeout, Environment }: FunctionProperties,
): [task: string, BundledFunction] {
  const { TASK, ...environment } = Environment.Variables as Record<string, unknown> & { TASK: string };
  const folder = join(outdir, `asset.${Code.S3Key.replace('.zip', '')}`);
  const bytes = statSync(join(folder, 'index.mjs')).size;
  return [
    TASK,
    { folder, bytes, memoryMiB: MemorySize, timeoutSeconds: Timeout, environment: { TASK, ...environment } },
  ];
}
