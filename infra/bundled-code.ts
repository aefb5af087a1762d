import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssetHashType, DockerImage } from 'aws-cdk-lib/core';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { buildSync } from 'esbuild';
import { functionBuild } from './function-build.ts';

const functions = join(import.meta.dirname, '../functions');

/** Bundles the handler of `functions/<task>`. The package has `prebuilt-code.ts` in place of this module. */
export function bundledCode(task: string): Code {
  const tryBundle = (outdir: string) => {
    bundles ??= bundleAll();
    copyFileSync(join(bundles, task, 'index.mjs'), join(outdir, 'index.mjs'));
    return true;
  };
  return Code.fromAsset(join(functions, task), {
    assetHashType: AssetHashType.OUTPUT,
    displayName: task,
    // The bundle runs on every processor, so Docker is not used.
    bundling: { image: DockerImage.fromRegistry('unused'), local: { tryBundle } },
  });
}

let bundles: string | undefined;

function bundleAll(): string {
  const outdir = mkdtempSync(join(tmpdir(), 'factory-bundles-'));
  process.once('exit', () => rmSync(outdir, { recursive: true, force: true }));
  buildSync(functionBuild(outdir));
  return outdir;
}
