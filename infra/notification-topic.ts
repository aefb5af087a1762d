import { RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Subscription, SubscriptionProtocol, Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { allowAlarms } from './encryption.ts';
import { servicePrincipal } from './service-principal.ts';

export function notificationTopic(scope: Construct, encryptionKey: IKey | undefined): Topic {
  const masterKey = encryptionKey ?? topicKey(scope);
  return new Topic(scope, 'Notifications', { displayName: 'Harness CI Image Factory', masterKey, enforceSSL: true });
}

/** Subscribes addresses to the topic. SNS writes to each, and sends nothing else until it confirms. */
export function subscribeEmails(scope: Construct, topic: ITopic, addresses: readonly string[] = []): void {
  for (const endpoint of new Set(addresses))
    new Subscription(scope, `Email ${endpoint}`, { topic, protocol: SubscriptionProtocol.EMAIL, endpoint });
}

/** AWS's own key, alias/aws/sns, does not let alarms publish, and its policy cannot be changed. */
function topicKey(scope: Construct): Key {
  const description = 'Notifications of Harness CI Image Factory';
  return new Key(scope, 'NotificationKey', {
    description,
    enableKeyRotation: true,
    // It protects messages in flight only.
    removalPolicy: RemovalPolicy.DESTROY,
  });
}

/** In place of `grantPublish`, which lets the role use the key by a wildcard. */
export function allowToPublish(role: IRole, topic: ITopic): void {
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['sns:Publish'], resources: [topic.topicArn] }));
  topic.masterKey?.grant(role, 'kms:Decrypt', 'kms:GenerateDataKey');
}

/** Lets alarms of this account publish to the topic. The policy of an imported topic stays as it is. */
export function allowAlarmsToPublish(scope: Construct, topic: ITopic): void {
  const { account, partition, region } = Stack.of(scope);
  topic.addToResourcePolicy(
    new PolicyStatement({
      principals: [servicePrincipal('cloudwatch')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        ArnLike: { 'aws:SourceArn': `arn:${partition}:cloudwatch:${region}:${account}:alarm:*` },
      },
    }),
  );
  if (topic.masterKey) allowAlarms(scope, topic.masterKey);
}
