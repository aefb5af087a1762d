import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import * as z from 'zod';
import { FactoryError, type Problem } from '../functions/errors.ts';
import { partitionOf } from '../functions/oci/registry/aws-partitions.ts';
import {
  type Configuration,
  configurationVariables,
  type Environment,
  isGiven,
  isOn,
  list,
  matching,
  oneOf,
  readConfiguration,
  type Readers,
  readVariables,
  refuse,
  tagsOf,
  tagsText,
  variable,
  wholeNumber,
} from '../functions/settings/configuration.ts';
import { parseExecutionInput } from '../functions/settings/execution-input.ts';
import { itemsOf } from '../functions/settings/text-list.ts';
import { isObject, parseJson } from '../functions/text/json.ts';
import { publicKey } from './bundle-signing.ts';
import { parseCron, parseTimeZone } from '../functions/settings/cron.ts';
import type { HarnessCiImageFactoryProps, WebhookAuth } from './harness-ci-image-factory-props.ts';
import { arnOf, idOf, proxyUrl, retentions, subnets } from './resource-ids.ts';
import { numberText, settingOf, variableOf } from './settings.ts';

/** The name of the stack, unless STACK_NAME is another. */
export const defaultStackName = 'HarnessCiImageFactory';

/** A principal that the policy of a function can name: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html */
const principal = /^(?:\d{12}|arn:aws[a-z-]*:iam::\d{12}:(?:role|user)\/[\w+=,.@/-]+)$/;

/** A setting that only a deployment has. Its variable has the name of its key: `SCHEDULE_TIME_ZONE`. */
export interface DeploymentSetting<T> {
  /** The values that `parse` accepts, in words. */
  readonly allowed: string;
  readonly parse: (text: string) => T;
  readonly initial?: T;
  /** The text of the reference beside the variable. */
  readonly meaning: string;
  /** The default in words, where the reference cannot show `initial`. */
  readonly default?: string;
  /** Returns the value of the prop as text, to be checked by the same rule. Absent if the prop has a type of CDK. */
  readonly textOf?: (props: HarnessCiImageFactoryProps) => string | number | undefined;
  /** The path of the prop, such as `webhook.allow`. Default: the key. */
  readonly prop?: string;
  /** The setting without which this one has no effect, and is refused. */
  readonly needs?: string;
}

/** Every setting that only a deployment has: the source of the app, the checks of the props and the reference. */
export const deploymentSettings = {
  stackName: setting({
    allowed: 'letters, digits and "-", with a letter first',
    parse: matching(/^[A-Za-z][A-Za-z0-9-]{0,127}$/),
    initial: defaultStackName,
    meaning: 'Name of the stack, and of all that it creates. Give each factory of an account and region its own.',
  }),
  stackTags: setting<Readonly<Record<string, string>>>({
    allowed: tagsText,
    parse: tagsOf,
    initial: {},
    meaning: 'Tags of the stack and of every resource in it. `ECR_TAGS` are those of repositories.',
  }),
  schedule: setting({
    allowed:
      'off, or six fields as EventBridge has them: minutes hours day-of-month month day-of-week year, such as "0 2 * * ? *"',
    parse: (text) => (text === 'off' ? text : parseCron(text)),
    initial: '0 2 * * ? *',
    meaning: 'When runs start, in the [cron of EventBridge](triggers.md#the-schedule). `off`: never.',
    textOf: ({ schedule }) => schedule,
  }),
  scheduleTimeZone: setting({
    allowed: 'the name of a time zone, such as Europe/Berlin',
    parse: parseTimeZone,
    initial: 'UTC',
    meaning: 'Time zone of `SCHEDULE`.',
    textOf: ({ scheduleTimeZone }) => scheduleTimeZone,
  }),
  scheduleInput: setting<Readonly<Record<string, unknown>>>({
    allowed: 'an execution input in JSON, such as {"soak_days": 30}',
    parse: (text) => {
      const input = parseJson(text);
      if (!isObject(input)) throw new TypeError();
      return input;
    },
    initial: {},
    default: '`{}`',
    meaning: 'The [input](#execution-input) of scheduled runs.',
    textOf: ({ scheduleInput }) => scheduleInput && JSON.stringify(scheduleInput),
  }),
  webhook: setting<WebhookAuth | undefined>({
    allowed: 'token, iam or off; on is token',
    parse: (text) => {
      const kind = oneOf(['token', 'iam', 'on', 'off'], text);
      return kind === 'off' ? undefined : kind === 'on' ? 'token' : kind;
    },
    default: '`off`',
    meaning:
      'An address at which pipelines [start runs](triggers.md#the-webhook). `token`: public, for holders of a token. `iam`: for AWS identities, whose requests are signed.',
    textOf: ({ webhook }) => (webhook ? (webhook.auth ?? 'token') : 'off'),
    prop: 'webhook.auth',
  }),
  webhookPrincipals: setting<readonly string[]>({
    allowed: 'a comma-separated list of ARNs of IAM roles and users, and of account ids',
    parse: (text) => list(text).map(matching(principal)),
    initial: [],
    default: 'identities of this account, by their own policies',
    meaning: 'With `WEBHOOK=iam`: [who else may call it](triggers.md#callers-with-an-aws-identity).',
    textOf: ({ webhook }) => webhook?.principals?.join(','),
    prop: 'webhook.principals',
  }),
  webhookConcurrency: setting<number | undefined>({
    allowed: 'a whole number from 1 to 1000',
    parse: (text) => wholeNumber(text, 1, 1_000),
    default: 'not limited',
    meaning: 'Requests to the webhook that are served at once. Lambda [reserves them](triggers.md#the-webhook).',
    textOf: ({ webhook }) => webhook?.reservedConcurrency,
    prop: 'webhook.reservedConcurrency',
  }),
  notificationEmail: setting<readonly string[]>({
    allowed: 'a comma-separated list of e-mail addresses',
    parse: (text) => z.array(z.email()).min(1).parse(itemsOf(text)),
    initial: [],
    meaning: 'Addresses that get outcomes and alarms. Each must confirm the message that AWS sends to it first.',
    textOf: ({ notificationEmails }) => notificationEmails?.join(','),
    prop: 'notificationEmails',
  }),
  vpcId: setting({
    allowed: 'the id of a VPC',
    parse: matching(idOf('vpc')),
    meaning: 'VPC of the functions: [network](deployment.md#in-a-vpc).',
    prop: 'vpc',
  }),
  vpcSubnets: setting({
    allowed: 'a comma-separated list of ids (subnet-…), or one tag=value',
    parse: subnets,
    default: 'private ones',
    meaning: 'Subnets of the functions, by their ids, or all that have a tag.',
    needs: 'vpcId',
  }),
  vpcSecurityGroups: setting({
    allowed: 'a comma-separated list of ids (sg-…)',
    parse: (text) => list(text).map(matching(idOf('sg'))),
    default: 'a new one',
    meaning: 'Security groups of the functions.',
    needs: 'vpcId',
    prop: 'securityGroups',
  }),
  createVpcEndpoints: setting({
    allowed: 'on or off',
    parse: isOn,
    initial: false,
    meaning: '`on`: creates the endpoints with which the functions reach AWS.',
    needs: 'vpcId',
  }),
  proxyUrl: setting({
    allowed: 'http://host:port or https://host:port',
    parse: proxyUrl,
    meaning: 'Proxy of the functions. The variables below are those of this machine.',
    textOf: ({ proxy }) => proxy?.url,
    prop: 'proxy.url',
  }),
  proxyBypass: setting<readonly string[]>({
    allowed: 'a comma-separated list of hosts, as in NO_PROXY',
    parse: list,
    initial: [],
    meaning: 'Hosts that the functions reach without it.',
    textOf: ({ proxy }) => proxy?.bypass?.join(','),
    needs: 'proxyUrl',
    prop: 'proxy.bypass',
  }),
  kmsKeyArn: setting({
    allowed: 'the ARN of a KMS key',
    parse: matching(arnOf('kms', 'key/[\\w-]+')),
    meaning: 'Key that encrypts [what the stack stores](deployment.md#a-key-of-your-own).',
    prop: 'encryptionKey',
  }),
  notificationTopicArn: setting({
    allowed: 'the ARN of an SNS topic',
    parse: matching(arnOf('sns', '[\\w-]{1,256}')),
    default: 'a new topic',
    meaning: 'Topic of outcomes and alarms. Its policy must let alarms publish.',
    prop: 'topic',
  }),
  notificationTopicKeyArn: setting({
    allowed: 'the ARN of a KMS key',
    parse: matching(arnOf('kms', 'key/[\\w-]+')),
    meaning: 'Key that encrypts that topic.',
    needs: 'notificationTopicArn',
  }),
  stateBucketName: setting({
    allowed: 'the name of a bucket',
    parse: matching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
    default: 'a new bucket',
    meaning: 'Bucket of plans, snapshots and reports, such as that of [an earlier deployment](deployment.md#removal).',
    prop: 'bucket',
  }),
  bundleBucket: setting({
    allowed: 'the name of a bucket',
    parse: matching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
    default: 'none: the actions `export` and `import` are refused',
    meaning: 'Bucket that [bundles](deployment.md#bundles-in-a-bucket) are exported to and imported from.',
    textOf: ({ bundleBucket }) => bundleBucket?.bucketName,
  }),
  bundleBucketKeyArn: setting({
    allowed: 'the ARN of a KMS key',
    parse: matching(arnOf('kms', 'key/[\\w-]+')),
    meaning: 'Key that encrypts that bucket.',
    needs: 'bundleBucket',
  }),
  bundleSigningKey: setting({
    allowed: 'the ARN of a KMS key',
    parse: matching(arnOf('kms', 'key/[\\w-]+')),
    default: 'none: bundles are not signed',
    meaning: 'Key of the kind `ECC_NIST_P256` that [signs the bundles](deployment.md#signed-bundles) of `export`.',
    textOf: ({ bundleSigningKey }) => bundleSigningKey?.keyArn,
    needs: 'bundleBucket',
  }),
  bundleVerifyKey: setting({
    allowed: 'the public key of a P-256 key, in PEM, or in base64 as `aws kms get-public-key` prints it',
    parse: publicKey,
    default: 'none: signatures are not checked',
    meaning:
      'Public key of the side that exports. `import`, and `verify` and `plan` with a bundle, [refuse](deployment.md#signed-bundles) one without its signature.',
    textOf: ({ bundleVerifyKey }) => bundleVerifyKey,
    needs: 'bundleBucket',
  }),
  permissionsBoundary: setting({
    allowed: 'the name or ARN of a managed policy',
    parse: matching(/^(?:arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy\/)?[\w+=,.@/-]+$/),
    meaning: 'Permissions boundary of every role.',
  }),
  logRetentionDays: setting({
    allowed: `never, or a number of days that CloudWatch Logs has: ${retentions.join(', ')}`,
    parse: (text) => (text === 'never' ? RetentionDays.INFINITE : oneOf(retentions, text)),
    initial: RetentionDays.THREE_MONTHS,
    meaning: 'Days after which logs expire.',
    textOf: ({ logRetention }) => (logRetention === RetentionDays.INFINITE ? 'never' : logRetention),
    prop: 'logRetention',
  }),
  overdueAfterHours: setting({
    allowed: 'a whole number from 1 to 8784',
    parse: (text) => wholeNumber(text, 1, 8_784),
    default: 'the longest gap of `SCHEDULE` and 12',
    meaning: 'Hours without a successful `sync` after which [the alarm](deployment.md#operations) is raised.',
    textOf: ({ overdueAfter }) => overdueAfter?.toHours({ integral: false }),
    prop: 'overdueAfter',
  }),
};

function setting<T>(entry: DeploymentSetting<T> & { readonly initial: T }): DeploymentSetting<T>;
function setting<T>(entry: DeploymentSetting<T>): DeploymentSetting<T | undefined>;
function setting<T>(entry: DeploymentSetting<T>): DeploymentSetting<T | undefined> {
  return entry;
}

type OwnSettings = {
  [Name in keyof typeof deploymentSettings]: (typeof deploymentSettings)[Name] extends DeploymentSetting<infer T>
    ? T
    : never;
};

/** Settings of `cdk deploy`: those of the functions, and its own. */
export type DeploymentSettings = Configuration & OwnSettings;

const own = Object.entries<DeploymentSetting<unknown>>(deploymentSettings).map(([name, entry]) => ({
  ...entry,
  name,
  variable: variableOf(name),
}));

const readers = Object.fromEntries(
  own.map(({ name, variable: path, allowed, parse, initial }) => [name, variable(path, allowed, parse, initial)]),
) as Readers<OwnSettings>;

/** The names of all settings of `cdk deploy`, as context keys. The API key itself is no setting on AWS. */
export const settingNames: readonly string[] = [
  ...configurationVariables.filter((path) => path !== 'HARNESS_API_KEY').map(settingOf),
  ...own.map(({ name }) => name),
];

/** Reads the settings from environment variables. Throws `InvalidConfiguration` with every problem at once. */
export function parseDeploymentSettings(environment: Environment): DeploymentSettings {
  const problems: Problem[] = [];
  const configuration = readConfiguration(environment, problems);
  const settings = readVariables(readers, environment, problems);
  const { webhook } = settings;
  for (const name of ['WEBHOOK_TOKEN_SECRET', 'WEBHOOK_PRINCIPALS', 'WEBHOOK_CONCURRENCY', 'WEBHOOK_ALLOW'])
    if (isGiven(environment, name) && !isGiven(environment, 'WEBHOOK'))
      problems.push({ path: 'WEBHOOK', found: 'nothing', allowed: `token, iam or off, with ${name}` });
  for (const [name, auth] of [
    ['WEBHOOK_TOKEN_SECRET', 'token'],
    ['WEBHOOK_PRINCIPALS', 'iam'],
  ] as const)
    if (isGiven(environment, name) && webhook !== undefined && webhook !== auth)
      problems.push({ path: name, found: 'a value', allowed: `nothing with WEBHOOK=${webhook}: it is for ${auth}` });
  if (settings.createVpcEndpoints && settings.vpcSubnets && 'ids' in settings.vpcSubnets)
    problems.push({
      path: 'CREATE_VPC_ENDPOINTS',
      found: 'on',
      allowed: 'off with ids in VPC_SUBNETS, whose route tables are not known. Give a tag of the subnets',
    });
  problems.push(...inputProblems(settings.scheduleInput, { ...configuration, bundleBucket: settings.bundleBucket }));
  if (configuration.webhookAllow.includes('prune') && !configuration.allowPrune)
    problems.push({
      path: 'ALLOW_PRUNE',
      found: configuration.allowPrune === undefined ? 'nothing' : 'false',
      allowed: 'true, with prune in WEBHOOK_ALLOW',
    });
  for (const { variable: path, needs } of own)
    if (needs !== undefined && isGiven(environment, path) && !isGiven(environment, variableOf(needs)))
      problems.push({ path, found: 'a value', allowed: `nothing without ${variableOf(needs)}` });
  refuse(problems);
  return { ...configuration, ...settings };
}

/** Stands for the ECR registry of the stack's account, which only the deployment knows. */
const defaultRegistry = {
  registry: `000000000000.dkr.ecr.us-east-1.${partitionOf('us-east-1').dnsSuffix}`,
  prefix: '',
};

/** Returns the problems that every scheduled run would report. */
function inputProblems(input: object, configuration: Configuration): Problem[] {
  try {
    const { registry = defaultRegistry, allowPrune = false } = configuration;
    const limits = configuration.registry && ({ confined: true } as const);
    parseExecutionInput(input, { ...configuration, registry, allowPrune, ...limits });
    return [];
  } catch (error) {
    if (!(error instanceof FactoryError)) throw error;
    const problems = error.problems ?? [];
    return problems.map((problem) => ({
      ...problem,
      path: 'SCHEDULE_INPUT',
      found: `${problem.path}: ${problem.found}`,
    }));
  }
}

/** Returns the props that only a deployment has as variables. */
export function deploymentEnvironment(props: HarnessCiImageFactoryProps): Record<string, string> {
  return Object.fromEntries(
    own.map(({ variable: path, textOf }) => {
      const value = textOf?.(props) ?? '';
      return [path, typeof value === 'number' ? numberText(value) : value];
    }),
  );
}

/** Returns the path of the prop behind a variable: `webhook.allow` for `WEBHOOK_ALLOW`. */
export function propOf(path: string): string {
  const { prop } = own.find((entry) => entry.variable === path) ?? {};
  return prop ?? settingOf(path).replace(/^webhook([A-Z])/, (_, first: string) => `webhook.${first.toLowerCase()}`);
}
