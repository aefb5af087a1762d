import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { acceptWildcard } from './accepted-findings.ts';

/**
 * Lets the role of a task read the bundles of a bucket, or write them by uploads that resume:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuAndPermissions.html
 */
export function allowBundles(role: IRole, bucket: IBucket, access: 'read' | 'write'): void {
  const writes = access === 'write';
  const allow = (actions: string[], resources: string[]) => {
    role.addToPrincipalPolicy(new PolicyStatement({ actions, resources }));
    for (const resource of resources.filter((arn) => arn !== bucket.bucketArn))
      acceptWildcard(role, resource, 'The bundles of one bucket, whose keys the inputs of runs name.');
  };
  // Without s3:ListBucket, S3 returns 403 for a missing key.
  allow(['s3:ListBucket', ...(writes ? ['s3:ListBucketMultipartUploads'] : [])], [bucket.bucketArn]);
  const uploads = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts'];
  allow(['s3:GetObject', ...(writes ? uploads : [])], [bucket.arnForObjects('*')]);
  // The record of an export's progress. No bundle is ever deleted.
  if (writes) allow(['s3:DeleteObject'], [bucket.arnForObjects('*.part.json')]);
  bucket.encryptionKey?.grant(role, 'kms:Decrypt', ...(writes ? ['kms:GenerateDataKey'] : []));
}
