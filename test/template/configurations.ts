import { everything } from './everything.ts';
import { embedAgain, synthesizeAgain } from './synthesize.ts';

/** Makes the stack of each main configuration of a deployment, and one with every resource that the construct can make. */
export const configurations = {
  default: () => synthesizeAgain(),
  'WEBHOOK=token': () => synthesizeAgain({ WEBHOOK: 'token', WEBHOOK_ALLOW: 'stop' }),
  'WEBHOOK=iam': () =>
    synthesizeAgain({ WEBHOOK: 'iam', WEBHOOK_PRINCIPALS: '123456789012', WEBHOOK_CONCURRENCY: '5', SCHEDULE: 'off' }),
  VPC_ID: () =>
    synthesizeAgain({
      VPC_ID: 'vpc-1234567890abcdef0',
      VPC_SUBNETS: 'subnet-1234567890abcdef0,subnet-1234567890abcdef1',
    }),
  KMS_KEY_ARN: () =>
    synthesizeAgain({ KMS_KEY_ARN: 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd', WEBHOOK: 'token' }),
  everything: () => embedAgain(everything),
};
