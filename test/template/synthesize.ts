import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { defaultApiKeySecretName } from '../../infra/harness-ci-image-factory.ts';
import { HarnessCiImageFactoryStack } from '../../infra/stack.ts';
import { parseConfiguration, type Environment } from '../../functions/settings/configuration.ts';

const { context } = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')) as {
  context: Record<string, unknown>;
};

export interface Statement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: unknown;
}

interface TaskFunctionResource {
  Properties: {
    Role: { 'Fn::GetAtt': [string, 'Arn'] };
    Environment: { Variables: Record<string, unknown> };
    MemorySize: number;
    Timeout: number;
    Runtime: string;
    Architectures: string[];
    LoggingConfig: { LogGroup: unknown };
  };
}

/** The stack as `cdk deploy` makes it out of `environment`, without the time it takes to bundle the functions. */
export function synthesize(environment: Environment = {}) {
  const app = new App({ context: { ...context, 'aws:cdk:bundling-stacks': [] } });
  const configuration = parseConfiguration({ HARNESS_API_KEY_SECRET: defaultApiKeySecretName, ...environment });
  const stack = new HarnessCiImageFactoryStack(app, 'HarnessCiImageFactory', { configuration });
  const template = Template.fromStack(stack);

  const logicalId = (construct: { node: { defaultChild?: unknown } }) =>
    stack.resolve((construct.node.defaultChild as { logicalId: string }).logicalId) as string;
  const functions = template.findResources('AWS::Lambda::Function') as Record<string, TaskFunctionResource>;
  const policies = Object.values(template.findResources('AWS::IAM::Policy')) as {
    Properties: { Roles: { Ref: string }[]; PolicyDocument: { Statement: Statement[] } };
  }[];

  return {
    stack,
    template,
    bucketId: logicalId(stack.factory.bucket),
    /** The function resources by task. */
    functions: new Map(
      [...stack.factory.functions].map(([task, { handler }]) => {
        const id = logicalId(handler);
        const resource = functions[id];
        if (!resource) throw new Error(`no function ${id}`);
        return [task, { id, ...resource.Properties }];
      }),
    ),
    /** Every statement of the policies of a role. */
    statements: (role: string): Statement[] =>
      policies
        .filter(({ Properties }) => Properties.Roles.some(({ Ref }) => Ref === role))
        .flatMap(({ Properties }) => Properties.PolicyDocument.Statement),
  };
}

export function actions(statement: Statement): string[] {
  return [statement.Action].flat();
}

/** A CloudFormation value as text, with `<Name>` for what is known at deployment only. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  const {
    Ref,
    'Fn::GetAtt': attribute,
    'Fn::Join': join,
  } = value as {
    Ref?: string;
    'Fn::GetAtt'?: string[];
    'Fn::Join'?: [string, unknown[]];
  };
  if (join) return join[1].map(text).join(join[0]);
  return `<${Ref ?? attribute?.join('.')}>`;
}
