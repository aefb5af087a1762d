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

/** Returns the ARN of the execution of a state machine with this name. */
export function executionArnOf(stateMachineArn: string, name: string): string {
  return `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
}
