const { App, Stack } = require('aws-cdk-lib');
const { HarnessCiImageFactory } = require('harness-ci-image-factory');

const app = new App();
new HarnessCiImageFactory(new Stack(app, 'Defaults'), 'ImageFactory');
