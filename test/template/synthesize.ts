import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib/core';
import { Template } from 'aws-cdk-lib/assertions';
import { SynthesisMessageLevel } from 'aws-cdk-lib/cx-api';
import {
  defaultApiKeySecretName,
  HarnessCiImageFactory,
  type HarnessCiImageFactoryProps,
} from '../../infra/harness-ci-image-factory.ts';
import { HarnessCiImageFactoryStack } from '../../infra/stack.ts';
import type { Environment } from '../../functions/settings/configuration.ts';
import { parseDeploymentSettings } from '../../infra/deployment-settings.ts';

const { context } = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')) as {
  context: Record<string, unknown>;
};

export interface Statement {
  Effect: 'Allow' | 'Deny';
  Action: string | string[];
  Resource: unknown;
  Condition?: object;
}

interface TaskFunctionResource {
  Properties: {
    Role: { 'Fn::GetAtt': [string, 'Arn'] };
    Environment: { Variables: Record<string, unknown> };
    MemorySize: number;
    Timeout: number;
    Runtime: string;
    Architectures: string[];
    LoggingConfig: { LogGroup: { Ref: string } };
    TracingConfig: { Mode: string };
    VpcConfig?: { SubnetIds: unknown[]; SecurityGroupIds: unknown[] };
    Layers?: unknown[];
  };
}

/** The work of `cdk synth` that leaves the templates as they are: bundles, stack traces, metadata, the tree, the validation. */
const withoutBundles = {
  'aws:cdk:bundling-stacks': [],
  'aws:cdk:disable-stack-trace': true,
  '@aws-cdk/core:enableAdditionalMetadataCollection': false,
};

/** Returns an app with the feature flags of this repository, which leaves out most of the work of `cdk synth`. */
export function newApp(flags = context): App {
  return new App({
    // In the folder that is deleted after the suites.
    outdir: mkdtempSync(join(process.env['SHARED_FOLDER'] ?? tmpdir(), 'template-')),
    context: { ...flags, ...withoutBundles },
    analyticsReporting: false,
    treeMetadata: false,
    builtinCloudFormationValidation: false,
  });
}

/**
 * Makes a stack without stack traces. CDK records one with each finding that is accepted, and jest looks up the source of
 * each of its 100 lines.
 */
export function withoutTraces<T>(make: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The stacks of a test file by their settings: tests only read them. */
const synthesized = new Map<string, ReturnType<typeof synthesizeAgain>>();

/** The stack as `cdk deploy` makes it out of `environment`. */
export function synthesize(environment: Environment = {}, env = {}) {
  const settings = JSON.stringify([environment, env]);
  const made = synthesized.get(settings) ?? synthesizeAgain(environment, env);
  synthesized.set(settings, made);
  return made;
}

/** Makes that stack again, for a test that makes it in another way. */
export function synthesizeAgain(environment: Environment = {}, env = {}) {
  return withoutTraces(() => {
    const configuration = parseDeploymentSettings({ HARNESS_API_KEY_SECRET: defaultApiKeySecretName, ...environment });
    const stack = new HarnessCiImageFactoryStack(newApp(), configuration.stackName, { configuration, env });
    return viewOf(stack, stack.factory);
  });
}

type Props = (stack: Stack) => HarnessCiImageFactoryProps;

const none: Props = () => ({});

/** The stacks that `embed` made of the same function. */
const embedded = new Map<Props, ReturnType<typeof embedAgain>>();

/** A stack of somebody else's with the construct in it; `props` may put more into the stack. */
export function embed(props = none) {
  const made = embedded.get(props) ?? embedAgain(props);
  embedded.set(props, made);
  return made;
}

/** Makes that stack again, as `synthesizeAgain` does. */
export function embedAgain(props = none) {
  return withoutTraces(() => {
    const stack = new Stack(newApp(), 'Host');
    return viewOf(stack, new HarnessCiImageFactory(stack, 'Factory', props(stack)));
  });
}

/** Returns the result of `cdk synth` for a stack. */
function synthesizedBy(stack: Stack) {
  return (stack.node.root as App).synth().getStackArtifact(stack.artifactId);
}

/** A stack of somebody else's with what `put` puts into it. */
export function fill<T>(
  put: (stack: Stack) => T,
  { flags = context, env = {} } = {},
): { stack: Stack; made: T; template: Template } {
  return withoutTraces(() => {
    const stack = new Stack(newApp(flags), 'Host', { env });
    const made = put(stack);
    return { stack, made, template: Template.fromStack(stack) };
  });
}

function viewOf<S extends Stack>(stack: S, factory: HarnessCiImageFactory) {
  const template = Template.fromStack(stack);
  const logicalId = (construct: { node: { defaultChild?: unknown } }) =>
    stack.resolve((construct.node.defaultChild as { logicalId: string }).logicalId) as string;
  const functions = template.findResources('AWS::Lambda::Function') as Record<string, TaskFunctionResource>;
  const policies = Object.values(template.findResources('AWS::IAM::Policy')) as {
    Properties: { Roles: { Ref: string }[]; PolicyDocument: { Statement: Statement[] } };
  }[];
  /** Every statement of the policies of a role. */
  const statements = (role: string): Statement[] =>
    policies
      .filter(({ Properties }) => Properties.Roles.some(({ Ref }) => Ref === role))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement);
  /** The function resources by task. */
  const byTask = new Map(
    [...factory.functions].map(([task, { handler }]) => {
      const id = logicalId(handler);
      const resource = functions[id];
      if (!resource) throw new Error(`no function ${id}`);
      return [task, { id, ...resource.Properties }];
    }),
  );

  return {
    stack,
    factory,
    template,
    /** The warnings of `cdk synth`, each with the path of its construct. */
    warnings: synthesizedBy(stack)
      .messages.filter(({ level }) => level === SynthesisMessageLevel.WARNING)
      .map(({ id, entry }) => ({ id, text: entry.data as string })),
    logicalId,
    functions: byTask,
    statements,
    /**
     * Returns the permissions of the role of a task, each as `action resource`, with ` if …` where it has a condition.
     */
    permissions: (task: string): string[] => {
      const found = statements(byTask.get(task)?.Role['Fn::GetAtt'][0] ?? '').flatMap((statement) => {
        if (statement.Effect !== 'Allow') throw new Error(`${task} has a statement that is not read here`);
        const condition = statement.Condition ? ` if ${JSON.stringify(statement.Condition)}` : '';
        return actions(statement).flatMap((action) =>
          resourcesOf(statement).map((resource) => `${action} ${resource}${condition}`),
        );
      });
      return found.toSorted();
    },
  };
}

export function actions(statement: Statement): string[] {
  return [statement.Action].flat();
}

export function resourcesOf(statement: Statement): string[] {
  return [statement.Resource].flat().map(text);
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
