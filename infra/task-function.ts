import { CfnParameter, Duration, Fn, Lazy, RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import { PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function, type ILayerVersion, Runtime, Tracing, type Version } from 'aws-cdk-lib/aws-lambda';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acceptFindings, acceptWildcard } from './accepted-findings.ts';
import { bundledCode } from './bundled-code.ts';
import { addLogGroup, type LogSettings } from './log-group.ts';
import { allowNetworkInterfaces, type FunctionNetwork } from './network.ts';
import { servicePrincipal } from './service-principal.ts';
import { taskNeeds } from './task-needs.ts';

export interface FunctionSettings extends LogSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly network?: FunctionNetwork | undefined;
  readonly layers?: readonly ILayerVersion[] | undefined;
}

export interface TaskFunctionProps extends FunctionSettings {
  /** The folder below `functions/` whose `handler.ts` exports `handler`. */
  readonly task: string;
  /** @default - the minutes of the task's needs */
  readonly timeout?: Duration;
  /** @default - not limited */
  readonly reservedConcurrency?: number | undefined;
}

/** The Lambda function of one task, with a role and a log group that are its own. */
export class TaskFunction extends Construct {
  /** The function itself, with its latest code. */
  readonly handler: Function;
  /** Has the permissions that this task needs, and no others. */
  readonly role: Role;
  /** Holds the log of this function only. */
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: TaskFunctionProps) {
    super(scope, id);
    const { task, environment, encryptionKey, network, layers, reservedConcurrency } = props;
    const { memory = 512, minutes = 5 } = taskNeeds[task] ?? {};

    this.logGroup = addLogGroup(this, 'Logs', props);
    // Made here, so that CDK does not attach the managed policy AWSLambdaBasicExecutionRole, which is for all logs.
    this.role = new Role(this, 'Role', { assumedBy: servicePrincipal('lambda') });
    this.role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [this.logGroup.logGroupArn],
      }),
    );

    encryptionKey?.grant(this.role, 'kms:Decrypt');
    if (network) allowNetworkInterfaces(this.role);
    // CDK lets the role send traces.
    acceptWildcard(
      this.role,
      '*',
      'Traces, registries of ECR, findings of Inspector and what describes network interfaces know no resources.',
    );

    this.handler = new Function(this, 'Function', {
      description: `Harness CI Image Factory: ${task}`,
      code: bundledCode(task),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: memory,
      timeout: props.timeout ?? Duration.minutes(minutes),
      ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
      environment: { ...environment, TASK: task },
      ...(encryptionKey && { environmentEncryption: encryptionKey }),
      role: this.role,
      logGroup: this.logGroup,
      tracing: Tracing.ACTIVE,
      ...(layers && { layers: [...layers] }),
      ...network,
      // Without "except on create", a deployment that failed would leave a version that blocks the next attempt: Lambda
      // publishes code and configuration that it has already published once only.
      currentVersionOptions: {
        removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        description: Lazy.string({ produce: () => this.#parametersOf(environment) }),
      },
    });
    this.#acceptFindings(props);
  }

  /** The code and configuration of this deployment. Versions of earlier deployments remain. */
  get version(): Version {
    return this.handler.currentVersion;
  }

  /**
   * Returns the values of the stack's parameters in the environment, for the description of the version. CDK names a
   * version after the template, which stays the same when only a parameter changes. Another description makes another
   * version. https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-version.html
   */
  #parametersOf(environment: object): string | undefined {
    const stack = Stack.of(this);
    const text = JSON.stringify(stack.resolve(environment));
    const values = stack.node
      .findAll()
      .filter((construct) => construct instanceof CfnParameter)
      .map(({ logicalId }) => stack.resolve(logicalId) as string)
      .filter((id) => text.includes(`{"Ref":"${id}"}`) || text.includes(`\${${id}}`))
      .map((id) => Fn.ref(id));
    return values.length > 0 ? Fn.join(' ', values) : undefined;
  }

  #acceptFindings({ reservedConcurrency, network, encryptionKey }: TaskFunctionProps): void {
    const accept = (rules: string[], reason: string) => acceptFindings(this.handler, rules, reason);
    accept(
      ['NIST.800.53.R5-LambdaDLQ', 'CKV_AWS_116'],
      'The workflow and callers of the URL wait for the result. After a failed call of a schedule, the next one does the same work.',
    );
    accept(['W3005'], 'CDK lists dependencies that CloudFormation also finds by itself.');
    if (reservedConcurrency === undefined)
      accept(
        ['NIST.800.53.R5-LambdaConcurrency', 'CKV_AWS_115'],
        'Lambda takes reserved concurrency from the account, and a new account has none to spare. MAX_CONCURRENCY limits a run, and the webhook has a limit of its own.',
      );
    if (!network)
      accept(
        ['NIST.800.53.R5-LambdaInsideVPC', 'CKV_AWS_117'],
        'Harness SaaS and public registries are on the internet. Nothing connects to the function. VPC_ID puts it into a VPC.',
      );
    if (!encryptionKey)
      accept(
        ['CKV_AWS_173'],
        'Lambda encrypts variables with a key of AWS, and they hold no secrets. KMS_KEY_ARN sets a key of your own.',
      );
  }
}
