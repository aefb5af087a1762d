import { Duration } from 'aws-cdk-lib/core';
import { AccountPrincipal, ArnPrincipal, type Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type FunctionUrl, FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acceptFindings } from './accepted-findings.ts';
import { allowToDescribe, allowToStop } from './executions.ts';
import type { WebhookOptions } from './harness-ci-image-factory-props.ts';
import { allowToRead } from './secret-access.ts';
import { secretId } from './settings.ts';
import { allowReports } from './state-bucket.ts';
import { type FunctionSettings, TaskFunction } from './task-function.ts';

export interface WebhookProps extends WebhookOptions, FunctionSettings {
  readonly stateMachine: StateMachine;
  /** The bucket with the reports of runs. */
  readonly bucket: IBucket;
}

/**
 * A URL that starts runs and returns their status, for requests with a valid token or from an IAM identity.
 *
 * **WARNING**: callers may switch, reset and restore Harness, within the limits of the deployment.
 */
export class Webhook extends Construct {
  /** The URL that starts runs: `https://…/runs` */
  readonly url: string;
  /** The secret that holds the bearer tokens. `undefined` with `auth: 'iam'`. */
  readonly tokenSecret: ISecret | Secret | undefined;
  /** The function behind the URL. */
  readonly function: TaskFunction;
  readonly #functionUrl: FunctionUrl;

  constructor(scope: Construct, id: string, props: WebhookProps) {
    super(scope, id);
    const { stateMachine, bucket, environment, encryptionKey, auth = 'token', principals = [], allow = [] } = props;
    this.tokenSecret = auth === 'iam' ? undefined : (props.tokenSecret ?? this.#generateToken(encryptionKey));
    this.function = new TaskFunction(this, 'Webhook', {
      ...props,
      task: 'webhook',
      environment: {
        ...environment,
        ...(this.tokenSecret && { WEBHOOK_TOKEN_SECRET: secretId(this.tokenSecret) }),
        ...(allow.length > 0 && { WEBHOOK_ALLOW: allow.join(',') }),
        STATE_MACHINE_ARN: stateMachine.stateMachineArn,
        STATE_BUCKET: bucket.bucketName,
      },
      timeout: Duration.seconds(20),
    });
    const { role, handler } = this.function;
    const { stateMachineArn, stateMachineName } = stateMachine;
    role.addToPolicy(new PolicyStatement({ actions: ['states:StartExecution'], resources: [stateMachineArn] }));
    allowToDescribe(role, stateMachineName);
    if (allow.includes('stop')) allowToStop(role, stateMachine, encryptionKey);
    allowReports(role, bucket);
    if (this.tokenSecret) allowToRead(role, this.tokenSecret);
    const authType = auth === 'iam' ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE;
    this.#functionUrl = handler.addFunctionUrl({ authType });
    this.url = `${this.#functionUrl.url}runs`;
    if (auth === 'token') {
      const reason = 'The function checks a token before anything else. WEBHOOK=iam lets Lambda verify callers.';
      acceptFindings(handler, ['NIST.800.53.R5-LambdaFunctionPublicAccessProhibited'], reason);
      acceptFindings(this.#functionUrl, ['CKV_AWS_258'], reason);
    }
    for (const principal of principals)
      this.grantInvoke(principal.startsWith('arn:') ? new ArnPrincipal(principal) : new AccountPrincipal(principal));
  }

  /** Grants the permissions to call the URL: `lambda:InvokeFunctionUrl`, and `lambda:InvokeFunction` through it. */
  grantInvoke(grantee: IGrantable): Grant {
    return this.#functionUrl.grantInvokeUrl(grantee);
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
    acceptFindings(
      secret,
      ['AwsSolutions-SMG4', 'NIST.800.53.R5-SecretsManagerRotationEnabled'],
      'The token must also be changed in Harness, by hand: see docs/triggers.md.',
    );
    if (!encryptionKey)
      acceptFindings(
        secret,
        ['NIST.800.53.R5-SecretsManagerUsingKMSKey', 'CKV_AWS_149'],
        'Secrets Manager encrypts with a key of AWS. KMS_KEY_ARN sets one of your own.',
      );
    return secret;
  }
}
