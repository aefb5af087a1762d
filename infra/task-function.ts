import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Architecture, Function, type ILayerVersion, Runtime, Tracing, type Version } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acceptWildcard } from './accepted-finding.ts';
import { bundledCode } from './bundled-code.ts';
import { allowNetworkInterfaces, type FunctionNetwork } from './network.ts';
import { servicePrincipal } from './service-principal.ts';
import { taskNeeds } from './task-needs.ts';

export interface FunctionSettings {
  readonly environment: Readonly<Record<string, string>>;
  readonly logRetention: RetentionDays;
  readonly encryptionKey?: IKey | undefined;
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
  readonly handler: Function;
  readonly role: Role;
  readonly logGroup: LogGroup;

  constructor(scope: Construct, id: string, props: TaskFunctionProps) {
    super(scope, id);
    const { task, environment, logRetention, encryptionKey, network, layers, reservedConcurrency } = props;
    const { memory = 512, minutes = 5 } = taskNeeds[task] ?? {};

    this.logGroup = new LogGroup(this, 'Logs', {
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
      ...(encryptionKey && { encryptionKey }),
    });
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
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE },
    });
  }

  /** The code and configuration of this deployment. Versions of earlier deployments remain. */
  get version(): Version {
    return this.handler.currentVersion;
  }
}
