import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILayerVersion } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { TagMutability } from '../functions/settings/configuration.ts';
import type { Template } from './template.ts';
import type { WebhookOptions } from './webhook.ts';

/** What the factory does. */
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
   * The secret that holds the Harness API key: as text, or as a key/value pair.
   *
   * **WARNING**: the key of a secret that was imported by name or ARN is not known here. Unless it is AWS's own, its
   * policy must let the functions decrypt, or import the secret with `encryptionKey`.
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
   * Hosts in a private network that a public registry may send us to, such as its storage behind a private endpoint. In
   * a VPC, name the port where it is not 443: the functions' security group lets them connect to those that are named.
   * @default - none
   */
  readonly trustedPrivateHosts?: readonly string[] | undefined;
  /**
   * Where official images come from, tried in this order.
   * @default - Google Artifact Registry, then ECR Public, then Docker Hub
   */
  readonly sourceRegistry?: readonly string[] | undefined;
  /**
   * The Harness connector that must exist and resolve to the registry before Harness is switched.
   * @default - `account.harnessImage`
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
   * Judges images in the place of the registry, for executions that wait for scans: a Standard state machine or a
   * function, as docs/templates.md describes it.
   * @default - the scans of ECR
   */
  readonly gatherScanTemplate?: Template | undefined;
  /**
   * Brings images in the place of copying them: a Standard state machine or a function, as docs/templates.md describes
   * it.
   * @default - images are copied
   */
  readonly buildPushTemplate?: Template | undefined;
}

/** How the functions use ECR, and what the repositories are like that they make there; docs/ecr.md has more. */
interface EcrProps {
  /**
   * The ARN of a role of the account that `registryName`, or one of `sourceRegistry`, names. The functions ask ECR as
   * that role for whatever is in its account; in the registry of `registryName` they may then do nothing as themselves.
   *
   * **WARNING**: it must trust the roles of the functions, and be allowed what they would be.
   * @default - the functions ask ECR as themselves
   */
  readonly ecrRoleArn?: string | undefined;
  /**
   * Whether the functions create missing repositories. Without, they have no right to: create the repositories yourself,
   * or let a repository creation template of the registry have them created on push.
   * @default true
   */
  readonly ecrCreateRepositories?: boolean | undefined;
  /**
   * Whether a tag may be moved to another image.
   * @default 'MUTABLE'
   */
  readonly ecrTagMutability?: TagMutability | undefined;
  /**
   * Up to five tags that `ecrTagMutability` leaves out when it ends with `_WITH_EXCLUSION`; `*` stands for any characters.
   *
   * @example ['latest*']
   * @default - none
   */
  readonly ecrTagMutabilityExclude?: readonly string[] | undefined;
  /**
   * The key or alias that encrypts the repositories: of their account and region.
   *
   * **WARNING**: the policy of a key that does not leave it to its account's policies must let `copy` use it.
   * @default - ECR's own encryption
   */
  readonly ecrKmsKey?: IKey | undefined;
  /**
   * Tags of a repository, 5 to 1000, beyond which ECR expires the oldest.
   * @default - none expires
   */
  readonly ecrKeepVersions?: number | undefined;
  /**
   * Tags of the repositories, for cost allocation.
   * @default - none
   */
  readonly ecrTags?: Readonly<Record<string, string>> | undefined;
}

/** When the factory works, and whom it tells. */
interface TriggerProps {
  /**
   * When the workflow is started, as the six fields of an EventBridge cron expression; or `off`.
   * @default '0 2 * * ? *' - daily at two
   */
  readonly schedule?: string | undefined;
  /**
   * The time zone of `schedule`, such as `Europe/Berlin`.
   * @default 'UTC'
   */
  readonly scheduleTimeZone?: string | undefined;
  /**
   * A public address, guarded by a token, for Harness pipelines to start runs and ask for their outcome.
   * @default - none
   */
  readonly webhook?: WebhookOptions | undefined;
  /**
   * The secret that holds whom to tell in Harness how each run ended: the URL of a custom webhook trigger, as text or as
   * `{"url": …, "token": …}` with an API key for accounts that demand one, or a pipeline, as `{"pipeline": …, "token": …}`.
   * @default - nobody is told
   */
  readonly callbackUrlSecret?: ISecret | undefined;
}

/** Where the functions run, and how they reach what they need. */
export interface NetworkProps {
  /**
   * The VPC of the functions.
   *
   * **WARNING**: they must reach Harness and the source registries from there, by a NAT gateway or by `proxy`.
   * @default - none: Lambda's own network, which reaches the internet
   */
  readonly vpc?: IVpc | undefined;
  /**
   * The subnets of the functions, and of the endpoints that `createVpcEndpoints` makes.
   * @default - the private subnets of `vpc`
   */
  readonly vpcSubnets?: SubnetSelection | undefined;
  /**
   * The security groups of the functions.
   * @default - a new one, which lets them connect to the ports of the registries, of Harness and of the proxy
   */
  readonly securityGroups?: readonly ISecurityGroup[] | undefined;
  /**
   * Whether to make the endpoints through which the functions reach AWS without the internet: S3 (a gateway, free of
   * charge), Secrets Manager, SNS, Step Functions, STS, the two of ECR when images go to or come from ECR of this region,
   * and Lambda when a template is a function.
   *
   * **WARNING**: their DNS names, and the route to S3, hold for everything in the VPC. Leave this off where the VPC has
   * such endpoints; each is charged by the hour in every zone.
   * @default false
   */
  readonly createVpcEndpoints?: boolean | undefined;
  /**
   * The proxy through which the functions connect.
   * @default - none
   */
  readonly proxy?: ProxyProps | undefined;
  /**
   * Layers of the functions, for the certificates that `registryCerts` and `extraCaCerts` name.
   * @default - none
   */
  readonly layers?: readonly ILayerVersion[] | undefined;
  /**
   * Folder of CA and client certificates of registries, laid out as Docker's `certs.d`, in one of `layers`: below `/opt`.
   * @default - none
   */
  readonly registryCerts?: string | undefined;
  /**
   * File of CA certificates in PEM that every TLS connection of the functions trusts beside the public ones, in one of
   * `layers`: below `/opt`. For a proxy that opens TLS, and for a Harness of one's own.
   * @default - none
   */
  readonly extraCaCerts?: string | undefined;
}

interface ProxyProps {
  /**
   * Such as `http://proxy.example:3128`.
   *
   * **WARNING**: whoever may see the functions' configuration sees it. Let a proxy know the functions by their address
   * rather than by a password.
   */
  readonly url: string;
  /**
   * Hosts to connect to without it, in the words of `NO_PROXY`: `host[:port]`, `.domain`, address or range.
   * @default - none; with `createVpcEndpoints`, what AWS serves in the stack's region
   */
  readonly bypass?: readonly string[] | undefined;
}

/** What the factory's resources are like, and how it tells of itself. */
interface OperationsProps {
  /**
   * The key of what is stored: bucket, topic, logs, dead letters, executions, and the token of the webhook.
   *
   * **WARNING**: the policy of a key that was imported cannot be changed from here. It must let CloudWatch Logs, their
   * delivery and CloudWatch alarms use the key; docs/deployment.md has the statements.
   * @default - a new key for the topic, because alarms cannot be delivered with AWS's own; AWS's own keys for the rest
   */
  readonly encryptionKey?: IKey | undefined;
  /**
   * The bucket for plans, snapshots and reports; it should be private, versioned and TLS-only.
   * @default - a new bucket, which keeps runs for 90 days
   */
  readonly bucket?: IBucket | undefined;
  /**
   * Where the outcome of each run and the alarms are published.
   *
   * **WARNING**: a topic that was imported must itself let CloudWatch alarms publish. Import one that is encrypted with
   * `Topic.fromTopicAttributes(…, { topicArn, keyArn })`: by its ARN alone, nothing lets the functions use its key.
   * @default - a new topic; subscribe to it
   */
  readonly topic?: ITopic | undefined;
  /**
   * How long there may be no sync that succeeded before an alarm is raised: whole hours, 1 to 168.
   * @default - 36 hours where `schedule` is for every day; else there is no such alarm
   */
  readonly overdueAfter?: Duration | undefined;
  /**
   * How long logs are kept.
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays | undefined;
  /**
   * What becomes of the new bucket when it is taken out of the stack. A snapshot in it may still be needed.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy | undefined;
  /**
   * The boundary of every role.
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy | undefined;
}

/** Every prop may be left out. */
export interface HarnessCiImageFactoryProps
  extends FactorySettings, EcrProps, TriggerProps, NetworkProps, OperationsProps {}
