import { type Acknowledgment, CfnResource, Stack, Validations } from 'aws-cdk-lib/core';
import type { IConstruct } from 'constructs';

/**
 * Accepts findings of cdk-nag, checkov and cfn-lint, by the ids that they print. Those of cdk-nag are accepted on
 * `construct` and what is below it. The others read the template, so theirs are accepted on its own resource alone.
 */
export function acceptFindings(construct: IConstruct, rules: readonly string[], reason: string): void {
  for (const id of rules) acknowledge(construct, { id, reason });
  const ofCheckov = rules.filter((rule) => rule.startsWith('CKV_'));
  if (ofCheckov.length > 0) {
    const { skip = [] } = (resourceOf(construct).getMetadata('checkov') ?? {}) as { skip?: object[] };
    const skipped = ofCheckov.map((id) => ({ id, comment: reason }));
    resourceOf(construct).addMetadata('checkov', { skip: [...skip, ...skipped] });
  }
  const ofCfnLint = rules.filter((rule) => /^[EIW]\d{4}$/.test(rule));
  if (ofCfnLint.length > 0) resourceOf(construct).addMetadata('cfn-lint', { config: { ignore_checks: ofCfnLint } });
}

/** CDK before 2.269 refuses ids with an ARN. Then cdk-nag reports the finding; the template is the same. */
function acknowledge(construct: IConstruct, rule: Acknowledgment): void {
  try {
    Validations.of(construct).acknowledge(rule);
  } catch (error) {
    if (!(error instanceof Error && error.name === 'InvalidValidationId')) throw error;
  }
}

/** Accepts that a policy below `construct` names `resource`, which holds a `*`. */
export function acceptWildcard(construct: IConstruct, resource: string, reason: string): void {
  const name = flat(Stack.of(construct).resolve(resource));
  acceptFindings(construct, [`AwsSolutions-IAM5[Resource::${name}]`], reason);
}

function resourceOf({ node }: IConstruct): CfnResource {
  const { defaultChild } = node;
  if (defaultChild && CfnResource.isCfnResource(defaultChild)) return defaultChild;
  throw new Error(`${node.path} has no resource of its own, so no finding on it can be accepted`);
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
