import type { Duration, IResolvable, RemovalPolicy } from 'aws-cdk-lib/core';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILayerVersion } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Template } from './template.ts';

/** Settings of the factory's runs. */
interface FactorySettings {
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
   * The secret that holds the Harness API key, as text or as a key/value pair.
   *
   * **WARNING**: CDK does not know the KMS key of a secret that was imported by name or ARN. For a customer managed
   * key, import the secret with `encryptionKey`, or let the key's policy allow the functions to decrypt.
   * @default - the secret named `harness-ci-image-factory/api-key`
   */
  readonly harnessApiKeySecret?: ISecret | undefined;
  /**
   * The registry that stores the copies, `host[:port][/prefix]`. In ECR the functions may use only repositories below
   * the prefix. A token is a registry other than ECR, because the permissions depend on the name of one in ECR.
   *
   * **WARNING**: without a prefix, they may push to every repository of that ECR registry.
   * @default - the prefix `registryPrefix` of the ECR registry of the stack's account and region
   */
  readonly registryName?: string | undefined;
  /**
   * The prefix of the copies in the ECR registry of the stack's account and region. May be a token. Not with
   * `registryName`.
   * @default 'harness-ci'
   */
  readonly registryPrefix?: string | undefined;
  /**
   * The registry that stored the copies before, `host[:port][/prefix]`. Overrides that name a copy there are the
   * factory's: a sync replaces them, and a reset removes them.
   * @default - without `registryName`: the ECR registry without a prefix, where releases before 0.2.0 stored the
   * copies; else none
   */
  readonly formerRegistry?: string | undefined;
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
   * Token hosts that may receive registry credentials beside the registries themselves, as `host[:port]`.
   * @default - none
   */
  readonly trustedTokenHosts?: readonly string[] | undefined;
  /**
   * Private hosts that a public registry may redirect to, such as its storage behind a private endpoint. In a VPC, add
   * a port other than 443: the functions' security group allows only the ports that are listed.
   * @default - none
   */
  readonly trustedPrivateHosts?: readonly string[] | undefined;
  /**
   * The source registries of official images, in the order in which they are tried.
   * @default - Google Artifact Registry, then ECR Public, then Docker Hub
   */
  readonly sourceRegistry?: readonly string[] | undefined;
  /**
   * The Harness connector that must exist and point to the registry before a switch.
   * @default - `account.harnessImage`
   */
  readonly containerRegistryConnector?: string | undefined;
  /**
   * Switches Harness to the copies. An execution's input can override this. May be a token.
   * @default true
   */
  readonly modifyDefault?: boolean | IResolvable | undefined;
  /**
   * The first switch of Harness by a scheduled run. With `afterFirstSync`, scheduled runs only copy, and report what
   * they would switch, until a sync that a person started has switched Harness.
   * @default 'afterFirstSync'
   */
  readonly autoSwitch?: 'always' | 'afterFirstSync' | undefined;
  /**
   * The number of images that are copied in parallel, 1 to 40. An execution's input can override this. May be a token.
   * @default 5
   */
  readonly maxConcurrency?: number | undefined;
  /**
   * Accepts `prune` in an execution's input, and lets the function `prune` delete images in ECR.
   * @default false
   */
  readonly allowPrune?: boolean | undefined;
  /**
   * A Standard state machine or a function that returns scan results in place of the registry, for executions that wait
   * for scans. See docs/templates.md.
   * @default - the scans of ECR
   */
  readonly gatherScanTemplate?: Template | undefined;
  /**
   * A Standard state machine or a function that provides images in place of a copy. See docs/templates.md.
   * @default - images are copied
   */
  readonly buildPushTemplate?: Template | undefined;
}

/** Access to ECR, and the settings of repositories that the functions create there. See docs/ecr.md. */
interface EcrProps {
  /**
   * The ARN of a role in the account of `registryName`, or of one of `sourceRegistry`. The functions assume it for the
   * ECR registry of that account. For the registry of `registryName`, their own roles then have no permissions.
   *
   * **WARNING**: the role must trust the roles of the functions, and have the permissions that they would have.
   * @default - the functions use their own roles
   */
  readonly ecrRoleArn?: string | undefined;
  /**
   * Creates missing repositories. If false, the functions lack the permission: create the repositories yourself, or
   * define a repository creation template, with which ECR creates them on push.
   * @default true
   */
  readonly ecrCreateRepositories?: boolean | undefined;
  /**
   * The tag mutability of created repositories.
   * @default 'MUTABLE'
   */
  readonly ecrTagMutability?:
    'MUTABLE' | 'IMMUTABLE' | 'MUTABLE_WITH_EXCLUSION' | 'IMMUTABLE_WITH_EXCLUSION' | undefined;
  /**
   * Up to five tags that `ecrTagMutability` excludes if it ends with `_WITH_EXCLUSION`. `*` matches any characters.
   *
   * @example ['latest*']
   * @default - none
   */
  readonly ecrTagMutabilityExclude?: readonly string[] | undefined;
  /**
   * The KMS key or alias that encrypts the repositories, in their account and region.
   *
   * **WARNING**: if the key's policy does not delegate to IAM, it must allow the role of `copy`.
   * @default - the default encryption of ECR
   */
  readonly ecrKmsKey?: IKey | undefined;
  /**
   * The number of tags that a repository keeps, 5 to 1000. ECR expires older ones.
   * @default - ECR expires none
   */
  readonly ecrKeepVersions?: number | undefined;
  /**
   * Resource tags of the repositories, for cost allocation.
   * @default - none
   */
  readonly ecrTags?: Readonly<Record<string, string>> | undefined;
  /**
   * The secret that always holds a valid ECR password, for the connector of Harness: a secret of Secrets Manager that a
   * Harness secret references, or the identifier of a Harness text secret, such as `account.ecr_password`. A function
   * replaces its value every 6 hours.
   *
   * **WARNING**: give the nodes their own permission to pull instead, where you can. See docs/ecr.md.
   * @default - none: no function, and no permissions for it
   */
  readonly ecrTokenSecret?: ISecret | string | undefined;
}

/** The credentials of the webhook's callers. */
export type WebhookAuth = 'token' | 'iam';

/** Settings of the webhook. */
export interface WebhookOptions {
  /**
   * The credentials of callers. `token`: the URL is public, and the function checks a bearer token. `iam`: Lambda
   * verifies an AWS signature (SigV4), no token exists, and the report has the caller's ARN.
   * @default 'token'
   */
  readonly auth?: WebhookAuth | undefined;
  /**
   * The secret that holds the bearer tokens, as `{"current": …, "previous": …}`, or one token as text. With `token`.
   * @default - a new secret with a generated token
   */
  readonly tokenSecret?: ISecret | undefined;
  /**
   * ARNs of roles and users, and account ids, that the function's own policy lets call the URL. With `iam`. Principals
   * of another account need `lambda:InvokeFunctionUrl` and `lambda:InvokeFunction` in their own policies, too.
   * @default - identities of this account whose own policies have both
   */
  readonly principals?: readonly string[] | undefined;
  /**
   * The number of requests that are served in parallel, 1 to 1000. Further requests get HTTP 429. Lambda reserves them
   * from the account's concurrency, of which 100 must remain; in a new account, that is more than there is.
   * @default - not limited
   */
  readonly reservedConcurrency?: number | undefined;
  /**
   * Keys of an execution input that the webhook accepts with any value: `extra_images`, `override_values`, `pins`,
   * `platforms`, `prune`, `registry`, `reset_scope`, `source_registry`. And `stop`, with which callers may stop runs.
   *
   * **WARNING**: each lets callers exceed the limits of the deployment. See docs/triggers.md.
   * @default - none
   */
  readonly allow?: readonly string[] | undefined;
}

/** Triggers of runs, and receivers of their results. */
interface TriggerProps {
  /**
   * The schedule of runs, as the six fields of an EventBridge cron expression, or `off`.
   * @default '0 2 * * ? *' - daily at 02:00
   */
  readonly schedule?: string | undefined;
  /**
   * The time zone of `schedule`, such as `Europe/Berlin`.
   * @default 'UTC'
   */
  readonly scheduleTimeZone?: string | undefined;
  /**
   * The input of scheduled runs, with the keys of an execution input, such as `{ soak_days: 30 }`.
   * @default - none: a `sync` with the deployment's defaults
   */
  readonly scheduleInput?: Readonly<Record<string, unknown>> | undefined;
  /**
   * A URL, protected by a token or by IAM, with which Harness pipelines start runs and read their status.
   * @default - none
   */
  readonly webhook?: WebhookOptions | undefined;
  /**
   * The secret that holds the callback to Harness at the end of each run: the URL of a custom webhook trigger, as text
   * or as `{"url": …, "token": …}` with an API key if the account requires one, or `{"pipeline": …, "token": …}`.
   * @default - no callback
   */
  readonly callbackUrlSecret?: ISecret | undefined;
}

/** The network of the functions. */
export interface NetworkProps {
  /**
   * The VPC of the functions.
   *
   * **WARNING**: the functions need access to Harness and the source registries, by a NAT gateway or `proxy`.
   * @default - none: Lambda's own network, with access to the internet
   */
  readonly vpc?: IVpc | undefined;
  /**
   * The subnets of the functions, and of the endpoints of `createVpcEndpoints`.
   * @default - the private subnets of `vpc`
   */
  readonly vpcSubnets?: SubnetSelection | undefined;
  /**
   * The security groups of the functions.
   * @default - a new group that allows connections to the ports of the registries, Harness and the proxy
   */
  readonly securityGroups?: readonly ISecurityGroup[] | undefined;
  /**
   * Creates the VPC endpoints with which the functions reach AWS without the internet: S3 (a gateway, free of charge),
   * Secrets Manager, SNS, EventBridge, Step Functions, STS, ECR (two) if a registry is ECR in this region, Lambda if a
   * template is a function, and KMS if `bundleSigningKey` is set.
   *
   * **WARNING**: their DNS names and the route to S3 apply to the whole VPC. Leave this off if the VPC has such
   * endpoints. AWS charges each interface endpoint per hour and zone.
   * @default false
   */
  readonly createVpcEndpoints?: boolean | undefined;
  /**
   * The proxy through which the functions connect.
   * @default - none
   */
  readonly proxy?: ProxyProps | undefined;
  /**
   * Lambda layers of the functions, with the certificates of `registryCerts` and `extraCaCerts`.
   * @default - none
   */
  readonly layers?: readonly ILayerVersion[] | undefined;
  /**
   * A folder of CA and client certificates of registries, in the layout of Docker's `certs.d`. A path below `/opt`, in
   * one of `layers`.
   * @default - none
   */
  readonly registryCerts?: string | undefined;
  /**
   * A PEM file of CA certificates that all TLS connections of the functions trust beside the public CAs. A path below
   * `/opt`, in one of `layers`. For a proxy that inspects TLS, or your own Harness.
   * @default - none
   */
  readonly extraCaCerts?: string | undefined;
}

export interface ProxyProps {
  /**
   * The URL of the proxy, such as `http://proxy.example:3128`.
   *
   * **WARNING**: it is visible in the functions' configuration. Let the proxy identify the functions by their address,
   * not by a password.
   */
  readonly url: string;
  /**
   * Hosts that bypass the proxy, in the syntax of `NO_PROXY`: `host[:port]`, `.domain`, IP address or CIDR range.
   * @default - none; with `createVpcEndpoints`, the AWS endpoints of the stack's region
   */
  readonly bypass?: readonly string[] | undefined;
}

/** Settings of the factory's resources, alarms and logs. */
interface OperationsProps {
  /**
   * The name of the workflow, its log group, its rule of EventBridge, its folder of queries and the dimension of its
   * metrics: at most 64 letters, digits, `-` and `_`. May be a token, such as `Aws.STACK_NAME`.
   *
   * **WARNING**: another name replaces the workflow. Its history of executions is lost.
   * @default - made of the path of the construct
   */
  readonly name?: string | undefined;
  /**
   * The KMS key of the bucket, topic, logs, dead letters, executions and webhook token.
   *
   * **WARNING**: CDK cannot change the policy of an imported key. It must allow CloudWatch Logs, log delivery and
   * CloudWatch alarms to use the key; docs/deployment.md has the statements.
   * @default - a new key for the topic, because alarms cannot use an AWS managed key; AWS managed keys for the rest
   */
  readonly encryptionKey?: IKey | undefined;
  /**
   * The bucket of plans, snapshots and reports. It must be private, versioned and TLS-only.
   * @default - a new bucket that keeps runs for 90 days
   */
  readonly bucket?: IBucket | undefined;
  /**
   * The bucket of bundles, for the actions `export` and `import`. Only the functions that need it get permissions there.
   * Import a bucket with a KMS key by `Bucket.fromBucketAttributes(…, { bucketName, encryptionKey })`.
   *
   * **WARNING**: give it a lifecycle rule that aborts multipart uploads after 7 days. See docs/deployment.md.
   * @default - none: the actions `export` and `import` are refused
   */
  readonly bundleBucket?: IBucket | undefined;
  /**
   * The KMS key that signs the bundles of `export`: of the kind `ECC_NIST_P256`, for `SIGN_VERIFY`. Only the function
   * `export` may use it. With `bundleBucket`.
   *
   * **WARNING**: a key of another account must let the role of `export` use it in its policy, too.
   * @default - none: bundles are not signed
   */
  readonly bundleSigningKey?: IKey | undefined;
  /**
   * The public key that bundles must be signed with, in PEM or as base64 of its DER. `import`, and `verify` and `plan`
   * with a bundle, refuse one without its signature. With `bundleBucket`.
   * @default - none: signatures are not checked
   */
  readonly bundleVerifyKey?: string | undefined;
  /**
   * The topic that receives the result of each run and the alarms.
   *
   * **WARNING**: the policy of an imported topic must allow CloudWatch alarms to publish. Import an encrypted topic
   * with `Topic.fromTopicAttributes(…, { topicArn, keyArn })`, so that the functions may use its key.
   * @default - a new topic
   */
  readonly topic?: ITopic | undefined;
  /**
   * E-mail addresses that subscribe to the topic. Each gets a message from AWS, and nothing else until it confirms.
   * @default - none: nobody is notified, unless you subscribe to the topic yourself
   */
  readonly notificationEmails?: readonly string[] | undefined;
  /**
   * The time without a successful sync after which an alarm is raised, in whole hours. More than a week adds a function
   * that checks every hour. A token, `Duration.hours(…)`, may be a week at most.
   * @default - the longest gap between two runs of `schedule` and 12 hours: 36 hours for every day, 180 for every week
   */
  readonly overdueAfter?: Duration | undefined;
  /**
   * The retention of logs.
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays | undefined;
  /**
   * The removal policy of the new bucket. A snapshot in it may still be needed after the stack is deleted.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy | undefined;
  /**
   * The permissions boundary of every role.
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy | undefined;
}

/** All props are optional. */
export interface HarnessCiImageFactoryProps
  extends FactorySettings, EcrProps, TriggerProps, NetworkProps, OperationsProps {}
