import { describe } from '@jest/globals';
import packageJson from '../../package.json' with { type: 'json' };
import { testApps } from './apps.ts';
import { testExamples } from './examples.ts';

const { 'aws-cdk-lib': cdk, constructs } = packageJson.dependencies;
const { typescript } = packageJson.devDependencies;

describe(`an app with CDK ${cdk}, which the project itself uses`, () => {
  testExamples(testApps({ cdk, constructs, typescript }));
});
