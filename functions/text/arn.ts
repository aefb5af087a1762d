/**
 * Parses an ARN: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html. `name` is the name of a resource
 * whose type is a part of its own.
 */
export function parseArn(arn: string): { service: string; region: string; accountId: string; name: string } {
  const [, , service = '', region = '', accountId = '', , name = ''] = arn.split(':');
  return { service, region, accountId, name };
}

export function isArn(text: string): boolean {
  return text.startsWith('arn:');
}
