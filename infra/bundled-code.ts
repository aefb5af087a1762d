import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { buildSync } from 'esbuild';

const functions = join(import.meta.dirname, '../functions');

/**
 * Bundles the handler of `functions/<task>` with all its dependencies. The AWS SDK is one of them, so that the version
 * that was tested runs, and not the one of Lambda's runtime.
 */
export function bundledCode(task: string): Code {
  const tryBundle = (outdir: string) => {
    bundles ??= bundleAll();
    copyFileSync(join(bundles, `${task}.mjs`), join(outdir, 'index.mjs'));
    return true;
  };
  return Code.fromAsset(join(functions, task), {
    assetHashType: AssetHashType.OUTPUT,
    // The bundle runs on every processor, so Docker is not used.
    bundling: { image: DockerImage.fromRegistry('unused'), local: { tryBundle } },
  });
}

let bundles: string | undefined;

/** Bundles all handlers in one build, which parses their shared dependencies once. */
function bundleAll(): string {
  const outdir = mkdtempSync(join(tmpdir(), 'factory-bundles-'));
  process.once('exit', () => rmSync(outdir, { recursive: true, force: true }));
  const handlers = readdirSync(functions)
    .map((task) => ({ out: task, in: join(functions, task, 'handler.ts') }))
    .filter((handler) => existsSync(handler.in));
  buildSync({
    entryPoints: handlers,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Dependencies in CommonJS call `require`, which ES modules lack.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    mainFields: ['module', 'main'],
    minify: true,
    logLevel: 'warning',
  });
  return outdir;
}
