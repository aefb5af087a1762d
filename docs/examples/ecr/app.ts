// Copies in the ECR registry of the account and region that the stack is deployed to, below the prefix harness-ci.
import { App, Stack, Tags } from 'aws-cdk-lib';
import { HarnessCiImageFactory } from 'harness-ci-image-factory';

const app = new App();
const stack = new Stack(app, 'HarnessImages');
Tags.of(stack).add('team', 'platform');

new HarnessCiImageFactory(stack, 'ImageFactory', {
  registryPrefix: 'harness-ci',
  notificationEmails: ['platform@example.com'],
  schedule: '30 4 ? * MON-FRI *',
  scheduleTimeZone: 'Europe/Berlin',
  // New versions are used after a week.
  scheduleInput: { soak_days: 7 },
});
