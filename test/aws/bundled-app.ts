import { readFileSync } from 'node:fs';
import { App, Stack } from 'aws-cdk-lib/core';
import { Code, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { HarnessCiImageFactory, type HarnessCiImageFactoryProps } from '../../infra/harness-ci-image-factory.ts';
import { account, region } from './moto-server.ts';

/**
 * A CDK app with one factory in moto's account. Usage: bundled-app.ts OUTDIR 'PROPS' [LAYER], where PROPS are those
 * that JSON can hold, and LAYER is a folder for `/opt`.
 */
const [outdir = '', props = '{}', layer] = process.argv.slice(2);
const { context } = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')) as {
  context: Record<string, unknown>;
};
// What `cdk synth` adds to the templates and the bundles is not deployed, and takes seconds.
const others = { analyticsReporting: false, treeMetadata: false, builtinCloudFormationValidation: false };
const app = new App({ outdir, context, ...others });
const stack = new Stack(app, 'Stack', { env: { account, region } });
new HarnessCiImageFactory(stack, 'Factory', {
  ...(JSON.parse(props) as HarnessCiImageFactoryProps),
  ...(layer !== undefined && { layers: [new LayerVersion(stack, 'Layer', { code: Code.fromAsset(layer) })] }),
});
app.synth();
