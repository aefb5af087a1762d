import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acceptFindings, acceptWildcard } from './accepted-findings.ts';
import type { TaskNeeds } from './task-needs.ts';

export interface StateBucketProps {
  readonly encryptionKey?: IKey | undefined;
  readonly removalPolicy?: RemovalPolicy | undefined;
}

/** The bucket for plans, snapshots and reports, by run. */
export function stateBucket(scope: Construct, { encryptionKey, removalPolicy }: StateBucketProps): IBucket {
  const bucket = new Bucket(scope, 'State', {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    ...(encryptionKey
      ? { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }
      : { encryption: BucketEncryption.S3_MANAGED }),
    enforceSSL: true,
    versioned: true,
    removalPolicy: removalPolicy ?? RemovalPolicy.RETAIN,
    lifecycleRules: [
      { prefix: 'runs/', expiration: Duration.days(90) },
      { prefix: 'checkpoints/', expiration: Duration.days(1) },
      {
        noncurrentVersionExpiration: Duration.days(30),
        // What an expired object leaves behind when its last old version is gone.
        expiredObjectDeleteMarker: true,
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
  });
  acceptFindings(
    bucket,
    ['AwsSolutions-S1', 'NIST.800.53.R5-S3BucketLoggingEnabled', 'CKV_AWS_18'],
    'Only the functions beside it use it; audit it with CloudTrail data events.',
  );
  acceptFindings(
    bucket,
    ['NIST.800.53.R5-S3BucketReplicationEnabled'],
    'It is versioned and retained, and runs work with an empty one: docs/runbook.md has what is lost then.',
  );
  if (!encryptionKey)
    acceptFindings(
      bucket,
      ['NIST.800.53.R5-S3DefaultEncryptionKMS'],
      'S3 encrypts with a key of AWS. KMS_KEY_ARN sets one of your own.',
    );
  // Bucket's own types miss the interface by `exactOptionalPropertyTypes`.
  return bucket as IBucket;
}

/** Lets a role read the reports of runs. */
export function allowReports(role: IRole, bucket: IBucket): void {
  const reports = bucket.arnForObjects('runs/*/report.json');
  allowToList(role, bucket);
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: [reports] }));
  acceptWildcard(role, reports, 'The reports of one bucket, whose keys hold run ids.');
  bucket.encryptionKey?.grant(role, 'kms:Decrypt');
}

/** Without it, S3 returns 403 for a missing key. That check has no s3:prefix, so the statement has no condition. */
function allowToList(role: IRole, bucket: IBucket): void {
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }));
}

/** Lets the role of a task read and write the documents of runs, and what else of the state it needs. */
export function allowState(role: IRole, bucket: IBucket, { reads, writes = [], pages }: TaskNeeds): void {
  allowKeys(role, bucket, { reads, writes: ['runs/*', ...writes], pages });
}

interface Keys {
  reads?: readonly string[] | undefined;
  /** Keys to read and to write. */
  writes: readonly string[];
  /** Keys to write only. */
  pages?: readonly string[] | undefined;
}

/** Lets a role read and write keys of the bucket. */
export function allowKeys(role: IRole, bucket: IBucket, { reads = [], writes, pages = [] }: Keys): void {
  allowToList(role, bucket);
  // Conditional writes need no more: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
  const written = writes.map((key) => bucket.arnForObjects(key));
  const read = [...written, ...reads.map((key) => bucket.arnForObjects(key))];
  role.addToPrincipalPolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: read }));
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['s3:PutObject'],
      resources: [...written, ...pages.map((key) => bucket.arnForObjects(key))],
    }),
  );
  for (const resource of read.filter((arn) => arn.endsWith('*')))
    acceptWildcard(role, resource, 'The objects of one bucket, whose keys hold run ids and digests.');
  bucket.encryptionKey?.grant(role, 'kms:Decrypt', 'kms:GenerateDataKey');
}
