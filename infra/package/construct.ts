import { join } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import { root } from './root.ts';

/**
 * Builds the construct as `<outdir>/index.js`, in CommonJS: it works from `require`, `import` and Jest, and there is
 * one class for all of them. The functions belong beside it, in `<outdir>/functions`.
 */
export async function buildConstruct(outdir: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { index: join(root, 'infra/index.ts') },
    outdir,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    // The app's own: a second CDK in an app gives resources that the first one does not know.
    external: ['aws-cdk-lib', 'constructs'],
    mainFields: ['module', 'main'],
    // CommonJS has no `import.meta`.
    define: { 'import.meta.dirname': '__dirname' },
    plugins: [prebuilt],
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}

/** Takes the functions as they were built for the package, so that an app needs no bundler. */
const prebuilt: Plugin = {
  name: 'prebuilt-code',
  setup(building) {
    building.onResolve({ filter: /\/bundled-code\.ts$/ }, () => ({
      path: join(import.meta.dirname, 'prebuilt-code.ts'),
    }));
  },
};
