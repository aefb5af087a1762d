import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Accepts a finding of cdk-nag's AwsSolutions rules on `construct` and what is below it. Without cdk-nag, a no-op. */
export function acceptFinding(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

/** Accepts that a policy below `construct` names `resource`, which holds a `*`. */
export function acceptWildcard(construct: IConstruct, resource: string, reason: string): void {
  acceptFinding(construct, `IAM5[Resource::${flat(Stack.of(construct).resolve(resource))}]`, reason);
}

type Intrinsic =
  | string
  | { Ref: string }
  | { 'Fn::GetAtt': string[] }
  | { 'Fn::Join': [string, Intrinsic[]] }
  | { 'Fn::Select': unknown };

/** An ARN as cdk-nag spells it in the ids of its findings: `<Bucket.Arn>/*`. */
function flat(value: Intrinsic): string {
  if (typeof value === 'string') return value;
  if ('Ref' in value) return `<${value.Ref}>`;
  if ('Fn::GetAtt' in value) return `<${value['Fn::GetAtt'].join('.')}>`;
  if ('Fn::Select' in value) return JSON.stringify(value);
  const [separator, parts] = value['Fn::Join'];
  return parts.map(flat).join(separator);
}
