import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackResourcesCommand,
} from '@aws-sdk/client-cloudformation';
import { CreateSecretCommand, GetRandomPasswordCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateStateMachineCommand, SFNClient } from '@aws-sdk/client-sfn';
import { lambdaInvoke, readWorkflowDefinition } from '../../infra/workflow-definition.ts';
import { account, type MotoServer, region } from './moto-server.ts';
import type { CloudFormationTemplate } from './synthesize-bundled.ts';

/** Resource types that moto's CloudFormation creates as the template describes them, and that functions use. */
const types = new Set(['AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::SNS::Topic']);

/**
 * Creates resources from the template's own properties: by moto's CloudFormation where it can, and else by the calls
 * that CloudFormation would make. Returns how values of the template read then.
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
    const others = [...(await createSecrets(template, moto)), ...(await createStateMachines(template, moto))];
    return (value) => resolve(value, new Map([...created, ...others, ...pseudoParameters]));
  } finally {
    client.destroy();
  }
}

type Created = [logicalId: string, physicalId: string];

interface GenerateSecretString {
  SecretStringTemplate: string;
  GenerateStringKey: string;
  PasswordLength: number;
  ExcludePunctuation: boolean;
}

async function createSecrets(template: CloudFormationTemplate, moto: MotoServer): Promise<Created[]> {
  const client = new SecretsManagerClient(moto.config);
  const created: Created[] = [];
  for (const [Name, Properties] of resourcesOf(template, 'AWS::SecretsManager::Secret')) {
    const { SecretStringTemplate, GenerateStringKey, ...kind } = Properties[
      'GenerateSecretString'
    ] as GenerateSecretString;
    const { RandomPassword } = await client.send(new GetRandomPasswordCommand(kind));
    const fields = { ...(JSON.parse(SecretStringTemplate) as object), [GenerateStringKey]: RandomPassword };
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(fields) }));
    created.push([Name, ARN]);
  }
  client.destroy();
  return created;
}

/** Creates the state machines. Their executions stay as they are started, because moto runs none. */
async function createStateMachines(template: CloudFormationTemplate, moto: MotoServer): Promise<Created[]> {
  const client = new SFNClient(moto.config);
  const created: Created[] = [];
  for (const [name] of resourcesOf(template, 'AWS::StepFunctions::StateMachine')) {
    const roleArn = `arn:aws:iam::${account}:role/${name}`;
    const machine = {
      name,
      roleArn,
      definition: readWorkflowDefinition().replaceAll('${LambdaInvoke}', lambdaInvoke('aws')),
    };
    const { stateMachineArn = '' } = await client.send(new CreateStateMachineCommand(machine));
    created.push([name, stateMachineArn]);
  }
  client.destroy();
  return created;
}

function resourcesOf({ Resources }: CloudFormationTemplate, type: string) {
  return Object.entries(Resources)
    .filter(([, { Type }]) => Type === type)
    .map(([id, { Properties }]) => [id, Properties] as const);
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
