import { bundleSigner } from '../lambda/bundle-signer.ts';
import { bundles } from '../lambda/bundles.ts';
import { handle } from '../lambda/handle.ts';
import { timed } from '../runtime/timed.ts';
import { exportBundle } from './export.ts';

export const handler = handle(timed('export', exportBundle), (environment) =>
  bundles(environment, bundleSigner(environment)),
);
