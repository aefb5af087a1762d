/** Parses an ARN up to its resource: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html. */
export function parseArn(arn: string): { service: string; region: string; accountId: string } {
  const [, , service = '', region = '', accountId = ''] = arn.split(':');
  return { service, region, accountId };
}
