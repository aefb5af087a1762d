import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackResourcesCommand,
} from '@aws-sdk/client-cloudformation';
import { account, type MotoServer, region } from './moto-server.ts';
import type { CloudFormationTemplate } from './synthesize-bundled.ts';

/** What moto makes as the template says. Of the rest it makes nothing that functions could use. */
const types = new Set(['AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::SNS::Topic', 'AWS::SecretsManager::Secret']);

/**
 * Has moto's CloudFormation create resources from the template's own properties. Returns how values of the template read
 * then.
 */
export async function createResources(
  template: CloudFormationTemplate,
  moto: MotoServer,
): Promise<(value: unknown) => string> {
  const Resources = Object.fromEntries(Object.entries(template.Resources).filter(([, { Type }]) => types.has(Type)));
  const client = new CloudFormationClient(moto.config);
  try {
    const StackName = 'factory';
    await client.send(new CreateStackCommand({ StackName, TemplateBody: JSON.stringify({ Resources }) }));
    const { StackResources = [] } = await client.send(new DescribeStackResourcesCommand({ StackName }));
    const created = StackResources.map((r) => [r.LogicalResourceId ?? '', r.PhysicalResourceId ?? ''] as const);
    return (value) => resolve(value, new Map([...created, ...pseudoParameters]));
  } finally {
    client.destroy();
  }
}

const pseudoParameters = [
  ['AWS::AccountId', account],
  ['AWS::Partition', 'aws'],
  ['AWS::Region', region],
  ['AWS::URLSuffix', 'amazonaws.com'],
] as const;

function resolve(value: unknown, names: ReadonlyMap<string, string>): string {
  if (typeof value === 'string') return value;
  const { Ref, 'Fn::Join': join } = value as { Ref?: string; 'Fn::Join'?: [string, unknown[]] };
  if (join) return join[1].map((part) => resolve(part, names)).join(join[0]);
  const name = names.get(Ref ?? '');
  if (name === undefined) throw new Error(`nothing is known of ${JSON.stringify(value)}`);
  return name;
}
