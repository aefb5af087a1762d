import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acceptFindings } from './accepted-findings.ts';

export interface LogSettings {
  readonly logRetention: RetentionDays;
  readonly encryptionKey?: IKey | undefined;
}

/** Creates a log group, which goes with the stack. */
export function addLogGroup(
  scope: Construct,
  id: string,
  { logRetention, encryptionKey }: LogSettings,
  logGroupName?: string,
): LogGroup {
  const logGroup = new LogGroup(scope, id, {
    ...(logGroupName !== undefined && { logGroupName }),
    retention: logRetention,
    removalPolicy: RemovalPolicy.DESTROY,
    ...(encryptionKey && { encryptionKey }),
  });
  if (!encryptionKey) {
    const rules = ['NIST.800.53.R5-CloudWatchLogGroupEncrypted', 'CKV_AWS_158'];
    acceptFindings(logGroup, rules, 'CloudWatch Logs encrypts with a key of AWS. KMS_KEY_ARN sets one of your own.');
  }
  return logGroup;
}
