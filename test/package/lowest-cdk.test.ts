import { describe } from '@jest/globals';
import { minVersion } from 'semver';
import { manifest } from '../../infra/package/manifest.ts';
import { testApps } from './apps.ts';

const { peerDependencies: peers } = manifest();
const lowest = (range: string) => minVersion(range)?.version ?? range;
const cdk = lowest(peers['aws-cdk-lib']);

describe(`an app with CDK ${cdk}, the lowest`, () => {
  testApps({ cdk, constructs: lowest(peers.constructs), typescript: '5.9.3' });
});
