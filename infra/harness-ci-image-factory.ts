import { Duration, Names, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { DefinitionBody, LogLevel, StateMachine, StateMachineType } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acceptFinding, acceptWildcard } from './accepted-finding.ts';
import { targetRegistry } from './target-registry.ts';
import { TaskFunction } from './task-function.ts';
import { taskNeeds } from './task-needs.ts';
import { placeholderOf, readWorkflowDefinition, tasksOf } from './workflow-definition.ts';

/** Of the secret that holds the Harness API key, when the deployment names no other. */
export const defaultApiKeySecretName = 'harness-ci-image-factory/api-key';

export interface HarnessCiImageFactoryProps {
  /**
   * Base URL of Harness, with or without `/gateway`.
   * @default - Harness's public service
   */
  readonly harnessUrl?: string | undefined;
  /**
   * The Harness account.
   * @default - taken from the API key
   */
  readonly harnessAccountId?: string | undefined;
  /**
   * Organization of the connector and of callbacks.
   * @default - account scope
   */
  readonly orgId?: string | undefined;
  /**
   * Project of the connector and of callbacks. Needs `orgId`.
   * @default - organization or account scope
   */
  readonly projectId?: string | undefined;
  /**
   * The secret that holds the Harness API key: as text, or as a key/value pair.
   * @default - the secret named `harness-ci-image-factory/api-key`
   */
  readonly harnessApiKeySecret?: ISecret | undefined;
  /**
   * Where images are stored, `host[:port][/prefix]`. In ECR the functions may use the repositories below the prefix
   * and no others; without a prefix, every repository of that registry.
   * @default - the ECR registry of the stack's account and region
   */
  readonly registryName?: string | undefined;
  /**
   * The secret that holds registry credentials, in the form of a Docker `config.json`. ECR needs none.
   * @default - none: registries other than ECR are used anonymously
   */
  readonly registryCredentialsSecret?: ISecret | undefined;
  /**
   * Registries without TLS, as `host[:port]`.
   * @default - none
   */
  readonly insecureRegistries?: readonly string[] | undefined;
  /**
   * Hosts other than the registries themselves that may be sent registry credentials, as `host[:port]`.
   * @default - none
   */
  readonly trustedTokenHosts?: readonly string[] | undefined;
  /**
   * Hosts in a private network that a public registry may send us to, such as its storage behind a private endpoint.
   * @default - none
   */
  readonly trustedPrivateHosts?: readonly string[] | undefined;
  /**
   * Folder of CA and client certificates of registries, laid out as Docker's `certs.d`; for instance `/opt/certs.d` of
   * a layer.
   * @default - none
   */
  readonly registryCerts?: string | undefined;
  /**
   * Where official images come from, tried in this order.
   * @default - Google Artifact Registry, then ECR Public, then Docker Hub
   */
  readonly sourceRegistry?: readonly string[] | undefined;
  /**
   * The Harness connector that must exist and resolve to the registry before Harness is switched.
   * @default - not checked
   */
  readonly containerRegistryConnector?: string | undefined;
  /**
   * Whether an execution switches Harness to the copies, unless its input says otherwise.
   * @default true
   */
  readonly modifyDefault?: boolean | undefined;
  /**
   * How many images are copied at once, 1 to 40, unless an execution's input says otherwise.
   * @default 5
   */
  readonly maxConcurrency?: number | undefined;
  /**
   * How long logs are kept.
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays | undefined;
}

/**
 * Keeps the Harness CI images in a registry of one's own current, and points Harness at them: the workflow, its
 * functions, and the bucket for their state.
 *
 * @example
 * new HarnessCiImageFactory(this, 'ImageFactory', {
 *   registryName: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror',
 * });
 */
export class HarnessCiImageFactory extends Construct {
  /** Plans, snapshots and reports, by run. It outlives the stack: a snapshot may still be needed. */
  readonly bucket: Bucket;
  /** One per task of the workflow, by the name of the task's folder. */
  readonly functions: ReadonlyMap<string, TaskFunction>;
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: HarnessCiImageFactoryProps = {}) {
    super(scope, id);
    const logRetention = props.logRetention ?? RetentionDays.THREE_MONTHS;
    const apiKey = props.harnessApiKeySecret ?? Secret.fromSecretNameV2(this, 'ApiKey', defaultApiKeySecretName);
    const registry = targetRegistry(this, props.registryName);
    const definition = readWorkflowDefinition();

    this.bucket = new Bucket(this, 'State', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      versioned: true,
      lifecycleRules: [
        { prefix: 'runs/', expiration: Duration.days(90) },
        { noncurrentVersionExpiration: Duration.days(30), abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ],
    });
    acceptFinding(this.bucket, 'S1', 'Only the functions beside it use it; audit it with CloudTrail data events.');

    const environment = present({
      STATE_BUCKET: this.bucket.bucketName,
      HARNESS_URL: props.harnessUrl,
      HARNESS_ACCOUNT_ID: props.harnessAccountId,
      ORG_ID: props.orgId,
      PROJECT_ID: props.projectId,
      HARNESS_API_KEY_SECRET: referenceTo(apiKey),
      REGISTRY_NAME: registry.name,
      REGISTRY_CREDENTIALS_SECRET: props.registryCredentialsSecret && referenceTo(props.registryCredentialsSecret),
      INSECURE_REGISTRIES: props.insecureRegistries?.join(','),
      TRUSTED_TOKEN_HOSTS: props.trustedTokenHosts?.join(','),
      TRUSTED_PRIVATE_HOSTS: props.trustedPrivateHosts?.join(','),
      REGISTRY_CERTS: props.registryCerts,
      SOURCE_REGISTRY: props.sourceRegistry?.join(','),
      CONTAINER_REGISTRY_CONNECTOR: props.containerRegistryConnector,
      MODIFY_DEFAULT: props.modifyDefault?.toString(),
      MAX_CONCURRENCY: props.maxConcurrency?.toString(),
    });

    this.functions = new Map(
      tasksOf(definition).map((task) => [
        task,
        new TaskFunction(this, placeholderOf(task).replace(/Function$/, ''), { task, environment, logRetention }),
      ]),
    );
    for (const [task, { role }] of this.functions) {
      const needs = taskNeeds[task] ?? {};
      role.addToPolicy(new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.bucket.bucketArn] }));
      const objects = this.bucket.arnForObjects('*');
      role.addToPolicy(new PolicyStatement({ actions: ['s3:GetObject', 's3:PutObject'], resources: [objects] }));
      acceptWildcard(role, objects, 'The objects of one bucket, whose keys hold run ids.');

      if (needs.harnessApiKey) apiKey.grantRead(role);
      if (needs.registryCredentials) props.registryCredentialsSecret?.grantRead(role);
      if (needs.ecr && registry.repositoriesArn) {
        role.addToPolicy(new PolicyStatement({ actions: [...needs.ecr], resources: [registry.repositoriesArn] }));
        acceptWildcard(role, registry.repositoriesArn, 'One repository per image, below the prefix of registryName.');
        role.addToPolicy(new PolicyStatement({ actions: ['ecr:GetAuthorizationToken'], resources: ['*'] }));
        acceptWildcard(role, '*', 'ecr:GetAuthorizationToken knows no resources.');
      }
    }

    this.stateMachine = new StateMachine(this, 'Workflow', {
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromString(definition),
      definitionSubstitutions: Object.fromEntries(
        [...this.functions].map(([task, { handler }]) => [placeholderOf(task), handler.functionArn]),
      ),
      tracingEnabled: true,
      logs: {
        destination: new LogGroup(this, 'WorkflowLogs', {
          // Under any other name, each state machine makes the account's log resource policy longer, up to its limit:
          // https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
          logGroupName: `/aws/vendedlogs/states/${Names.uniqueResourceName(this, { maxLength: 64 })}`,
          retention: logRetention,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    for (const { handler } of this.functions.values()) handler.grantInvokeLatestVersion(this.stateMachine);
    acceptFinding(this.stateMachine, 'SF1', 'Step Functions keeps every event for 90 days; the log is for errors.');
    acceptWildcard(this.stateMachine, '*', 'Log delivery and X-Ray know no resources.');
  }
}

/** What GetSecretValue takes: the ARN, or the name when only that is known. */
function referenceTo(secret: ISecret): string {
  return secret.secretFullArn ?? secret.secretName;
}

function present(values: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1])));
}
