import { type Stack, Validations } from 'aws-cdk-lib/core';

/** A finding that the construct at `path`, and what is below it, may have. */
export interface Acceptance {
  path: string;
  /** As the tool prints it: `CKV_AWS_18`. */
  rule: string;
  reason: string;
}

/** Returns the findings that the code of a stack accepts. CDK accepts some of its own rules by itself. */
export function acceptancesIn(stack: Stack): Acceptance[] {
  return stack.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .map(([id, reason]) => ({ path: node.path, rule: id.replace(/^Annotation::/, ''), reason }))
      .filter(({ rule }) => !rule.startsWith('CloudFormation-Validate::')),
  );
}
