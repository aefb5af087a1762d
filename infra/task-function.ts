import { join, resolve } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogLevel as EsbuildLogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { taskNeeds } from './task-needs.ts';

const projectRoot = resolve(import.meta.dirname, '..');

export interface TaskFunctionProps {
  /** The folder below `functions/` whose `handler.ts` exports `handler`. */
  readonly task: string;
  readonly environment: Record<string, string>;
  readonly logRetention: RetentionDays;
}

/** The Lambda function of one task, with a role and a log group that are its own. */
export class TaskFunction extends Construct {
  readonly handler: NodejsFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, { task, environment, logRetention }: TaskFunctionProps) {
    super(scope, id);
    const { memory = 512, minutes = 5 } = taskNeeds[task] ?? {};

    const logGroup = new LogGroup(this, 'Logs', { retention: logRetention, removalPolicy: RemovalPolicy.DESTROY });
    // Made here, so that CDK does not attach the managed policy AWSLambdaBasicExecutionRole, which is for all logs.
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );

    this.handler = new NodejsFunction(this, 'Function', {
      description: `Harness CI Image Factory: ${task}`,
      entry: join(projectRoot, 'functions', task, 'handler.ts'),
      projectRoot,
      depsLockFilePath: join(projectRoot, 'package-lock.json'),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: memory,
      timeout: Duration.minutes(minutes),
      environment,
      role: this.role,
      logGroup,
      bundling: {
        target: 'node24',
        format: OutputFormat.ESM,
        // Dependencies in CommonJS call `require`, which an ES module does not have.
        banner: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`,
        mainFields: ['module', 'main'],
        minify: true,
        logLevel: EsbuildLogLevel.WARNING,
        // The version that was tested, rather than the one the runtime has that day.
        bundleAwsSDK: true,
      },
    });
  }
}
