import { Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acceptFinding } from './accepted-finding.ts';
import { allowToDescribe } from './executions.ts';
import type { WebhookOptions } from './harness-ci-image-factory-props.ts';
import { allowToRead } from './secret-access.ts';
import { secretId } from './settings.ts';
import { type FunctionSettings, TaskFunction } from './task-function.ts';

export interface WebhookProps extends WebhookOptions, FunctionSettings {
  readonly stateMachine: StateMachine;
}

/**
 * A public URL that starts runs and returns their status for requests with a valid token.
 *
 * **WARNING**: a token permits to switch, reset and restore Harness, within the limits of the deployment.
 */
export class Webhook extends Construct {
  /** The URL that starts runs: `https://…/runs` */
  readonly url: string;
  readonly tokenSecret: ISecret | Secret;
  readonly function: TaskFunction;

  constructor(scope: Construct, id: string, props: WebhookProps) {
    super(scope, id);
    const { stateMachine, environment, reservedConcurrency = 5, allow = [] } = props;
    this.tokenSecret = props.tokenSecret ?? this.#generateToken(props.encryptionKey);
    this.function = new TaskFunction(this, 'Webhook', {
      ...props,
      task: 'webhook',
      environment: {
        ...environment,
        WEBHOOK_TOKEN_SECRET: secretId(this.tokenSecret),
        ...(allow.length > 0 && { WEBHOOK_ALLOW: allow.join(',') }),
        STATE_MACHINE_ARN: stateMachine.stateMachineArn,
      },
      timeout: Duration.seconds(20),
      reservedConcurrency,
    });
    const { role, handler } = this.function;
    const { stateMachineArn, stateMachineName } = stateMachine;
    role.addToPolicy(new PolicyStatement({ actions: ['states:StartExecution'], resources: [stateMachineArn] }));
    allowToDescribe(role, stateMachineName);
    allowToRead(role, this.tokenSecret);
    this.url = `${handler.addFunctionUrl({ authType: FunctionUrlAuthType.NONE }).url}runs`;
  }

  #generateToken(encryptionKey: IKey | undefined): Secret {
    const secret = new Secret(this, 'Token', {
      ...(encryptionKey && { encryptionKey }),
      description: 'Harness CI Image Factory: bearer tokens of the webhook, {"current": …, "previous": …}',
      generateSecretString: {
        secretStringTemplate: '{}',
        generateStringKey: 'current',
        passwordLength: 48,
        excludePunctuation: true,
      },
    });
    acceptFinding(secret, 'SMG4', 'The token must also be changed in Harness, by hand: see docs/triggers.md.');
    return secret;
  }
}
