import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { buildSync } from 'esbuild';

const functions = join(import.meta.dirname, '../functions');

/**
 * Loaded when needed, which they never are: on Lambda credentials come from the environment (the other ways to them have
 * 80 KB), and undici's parser without SIMD (72 KB) is for processors that Lambda does not have.
 */
const unusedModules = [
  ...['ini', 'login', 'process', 'sso', 'web-identity'].map((name) => `@aws-sdk/credential-provider-${name}`),
  '../llhttp/llhttp-wasm.js',
];

/**
 * The handler in the folder `task` below `functions/`, with all that it needs, the AWS SDK too: the version that was
 * tested, rather than the one the runtime has that day.
 */
export function bundledCode(task: string): Code {
  const tryBundle = (outdir: string) => {
    bundles ??= bundleAll();
    copyFileSync(join(bundles, `${task}.mjs`), join(outdir, 'index.mjs'));
    return true;
  };
  return Code.fromAsset(join(functions, task), {
    assetHashType: AssetHashType.OUTPUT,
    // Docker is not asked: what is bundled runs on every processor.
    bundling: { image: DockerImage.fromRegistry('unused'), local: { tryBundle } },
  });
}

let bundles: string | undefined;

/** All handlers at once, for they share most of what they need: it is read and parsed once. */
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
    // Dependencies in CommonJS call `require`, which an ES module does not have.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    mainFields: ['module', 'main'],
    minify: true,
    logLevel: 'warning',
    external: unusedModules,
  });
  return outdir;
}
