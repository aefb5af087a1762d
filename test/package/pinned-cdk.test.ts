import { describe } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { testApps } from './apps.ts';

const { 'aws-cdk-lib': cdk, constructs } = packageJson.dependencies;
const { typescript } = packageJson.devDependencies;

describe(`an app with CDK ${cdk}, which the project itself uses`, () => {
  testApps({ cdk, constructs, typescript });
});
