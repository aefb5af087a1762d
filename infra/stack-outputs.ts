import { CfnOutput, type Stack } from 'aws-cdk-lib/core';
import release from '../package.json' with { type: 'json' };
import { ConsoleLinks } from './console-links.ts';
import type { HarnessCiImageFactory } from './harness-ci-image-factory.ts';

/** Adds the outputs of a stack that has one factory: what to do and to look at after a deployment, and its names. */
export function addOutputs(stack: Stack, factory: HarnessCiImageFactory): void {
  const { stateMachine, bucket, topic, dashboardName, webhook, ecrToken } = factory;
  const { stateMachineArn } = stateMachine;
  const plan = `--state-machine-arn ${stateMachineArn} --input '{"action":"plan"}'`;
  new CfnOutput(stack, 'NextCommand', {
    value: `aws stepfunctions start-execution --region ${stack.region} ${plan}`,
    description: 'Shows what a sync would do. It writes nothing.',
  });
  const links = new ConsoleLinks(stack);
  links.add('WorkflowConsole', 'states/home', `#/statemachines/view/${stateMachineArn}`);
  links.add('DashboardConsole', 'cloudwatch/home', `#dashboards/dashboard/${dashboardName}`);
  links.add('StateBucketConsole', `s3/buckets/${bucket.bucketName}`);
  new CfnOutput(stack, 'Version', { value: release.version });
  new CfnOutput(stack, 'StateMachineArn', { value: stateMachineArn });
  new CfnOutput(stack, 'StateBucketName', { value: bucket.bucketName });
  new CfnOutput(stack, 'NotificationTopicArn', { value: topic.topicArn });
  if (ecrToken) new CfnOutput(stack, 'EcrTokenFunctionName', { value: ecrToken.function.handler.functionName });
  if (!webhook) return;
  new CfnOutput(stack, 'WebhookUrl', { value: webhook.url });
  if (webhook.tokenSecret) new CfnOutput(stack, 'WebhookTokenSecretName', { value: webhook.tokenSecret.secretName });
}

/** Returns the description of a stack, with the release. */
export function stackDescription(): string {
  return `Keeps the Harness CI images in your own registry current (${release.name} ${release.version})`;
}
