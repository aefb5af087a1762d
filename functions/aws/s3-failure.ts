import { S3ServiceException } from '@aws-sdk/client-s3';
import { FactoryError } from '../errors.ts';
import { awsReason } from './failure-reason.ts';
import { own } from '../text/own.ts';

/** Describes a call to S3 that failed. `action` is a verb and an address. */
export function s3Failure(action: string, bucket: string, cause: unknown): FactoryError {
  const { name, text, networkHint } = awsReason(cause);
  const hint = networkHint ?? cureOf(name, text, bucket, cause);
  return new FactoryError('StoreFailed', `cannot ${action}: ${text}`, { hint, cause });
}

function cureOf(name: string, text: string, bucket: string, cause: unknown): string {
  if (name.startsWith('KMS.')) return `Enable the KMS key of the bucket ${bucket}, or give the bucket another.`;
  if (name === 'AccessDenied' && text.includes('kms:'))
    return `Allow kms:Decrypt and kms:GenerateDataKey on the KMS key of the bucket ${bucket}.`;
  if (text.endsWith('Region is missing')) return `Set AWS_REGION to the region of the bucket ${bucket}.`;
  const region = regionOf(cause);
  const cures: Record<string, string> = {
    AccessDenied: `Allow s3:GetObject and s3:PutObject on the objects of the bucket ${bucket}, and s3:ListBucket on the bucket. Check also its policy.`,
    NoSuchBucket: `Create the bucket ${bucket}, or correct its name.`,
    ...Object.fromEntries(
      wrongRegion.map((error) => [error, `Set AWS_REGION to the region of the bucket ${bucket}${region}.`]),
    ),
    ...Object.fromEntries(
      wrongCredentials.map((error) => [error, 'Check the AWS credentials: none were found, or they have expired.']),
    ),
  };
  return own(cures, name) ?? `Look the error up in the API reference of S3, and check the bucket ${bucket}.`;
}

const wrongRegion = ['AuthorizationHeaderMalformed', 'IllegalLocationConstraintException', 'PermanentRedirect'];

const wrongCredentials = [
  'CredentialsProviderError',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenProviderError',
];

/** Returns the region that S3 names with an error, in parentheses. */
function regionOf(cause: unknown): string {
  const region = cause instanceof S3ServiceException && cause.$response?.headers['x-amz-bucket-region'];
  return region ? ` (${region})` : '';
}
