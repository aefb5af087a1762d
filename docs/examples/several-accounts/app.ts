// One factory for each Harness account, each with its own key, prefix and time. They share a topic.
import { App, Stack } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { HarnessCiImageFactory } from 'harness-ci-image-factory';

const accounts = [
  { name: 'production', schedule: '0 2 * * ? *', soakDays: 14 },
  { name: 'staging', schedule: '0 3 * * ? *', soakDays: 3 },
  { name: 'self-managed', schedule: '0 4 * * ? *', soakDays: 0, harnessUrl: 'https://harness.example.com' },
];

const stack = new Stack(new App(), 'HarnessImages');
const topic = new Topic(stack, 'Notifications', { enforceSSL: true });
topic.addSubscription(new EmailSubscription('platform@example.com'));

for (const { name, schedule, soakDays, harnessUrl } of accounts)
  new HarnessCiImageFactory(stack, name, {
    harnessUrl,
    harnessApiKeySecret: Secret.fromSecretNameV2(stack, `${name}-key`, `harness-ci-image-factory/${name}/api-key`),
    // Its own, because `prune` deletes what its own account does not use.
    registryPrefix: `harness-ci/${name}`,
    schedule,
    scheduleInput: { soak_days: soakDays },
    topic,
  });
