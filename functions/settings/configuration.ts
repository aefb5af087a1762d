import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { FactoryError, type Problem } from '../errors.ts';
import { ApiKey } from '../harness/api-key.ts';
import { parseBaseUrl } from '../harness/base-url.ts';
import { parseRegistryLocation } from '../oci/spec/reference.ts';
import { isArn } from '../text/arn.ts';
import { misplacedIn } from '../text/plain-text.ts';
import { sourceLocation } from './official-sources.ts';
import { countProblems, reasonOf, render } from './problems.ts';
import { isRegistryAddress, registryLocation } from './registry-location.ts';
import { itemsOf } from './text-list.ts';
import { wordIn } from './word.ts';
import { secretArn, tokenSecretProblems } from './token-secret.ts';
import { TextSyntaxError } from '../text/text-syntax-error.ts';

/** The permissions that WEBHOOK_ALLOW can grant: input keys, `stop`, and the actions `export` and `import`. */
export const guardedKeys = [
  'export',
  'extra_images',
  'images',
  'import',
  'manage_connector',
  'override_values',
  'pins',
  'platforms',
  'prune',
  'registry',
  'reset_scope',
  'source_registry',
  'stop',
] as const;

export type GuardedKey = (typeof guardedKeys)[number];

/**
 * Values of `imageTagMutability`: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
 */
const tagMutabilities = ['MUTABLE', 'IMMUTABLE', 'MUTABLE_WITH_EXCLUSION', 'IMMUTABLE_WITH_EXCLUSION'] as const;

/**
 * Exclusion filters:
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageTagMutabilityExclusionFilter.html
 */
const exclusionFilter = /^[0-9a-zA-Z._*-]{1,128}$/;
const mostExclusions = 5;

export type Environment = Readonly<Record<string, string | undefined>>;

export const defaultSources = ['gar', 'ecr-public', 'dockerhub'];

/** Harness identifiers (https://developer.harness.io, "Entity identifier reference"). */
const identifier = /^[A-Za-z_][A-Za-z0-9_$-]{0,127}$/;
/** An identifier, here optionally with a scope prefix. */
const objectReference = /^(?:account\.|org\.)?[A-Za-z_][A-Za-z0-9_$-]{0,127}$/;
const secretName = /^[A-Za-z0-9/_+=.@:-]+$/;

/** An entry of `NO_PROXY`. Excludes `*`, which would turn the protection off. */
const hostPattern = /^(?:\*?\.)?[A-Za-z0-9_[][A-Za-z0-9._:[\]-]*(?:\/\d{1,3})?$/;

/**
 * ARN formats: https://docs.aws.amazon.com/service-authorization/latest/reference/, Step Functions; and Lambda, with
 * version or alias.
 */
const templateArn =
  /^arn:aws[a-z-]*:(?:states:[a-z0-9-]+:\d{12}:stateMachine:[\w-]{1,80}|lambda:[a-z0-9-]+:\d{12}:function:[\w-]{1,64}(?::[\w$-]{1,128})?)$/;
/** The identifier of a Harness template, optionally with a scope and a version. */
const templateIdentifier = /^(?:account\.|org\.)?[A-Za-z_][A-Za-z0-9_$-]{0,127}(?:[:@][\w.-]{1,128})?$/;
const templateText = 'the ARN of a Step Functions state machine or of a Lambda function';

/**
 * A tag that all AWS services accept
 * (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html).
 */
const tagPattern = /^(?!aws:)(?<key>[\p{L}\p{N} _.:/+@-]{1,128})=(?<value>[\p{L}\p{N} _.:/=+@-]{0,256})$/u;

/** The values that `tagsOf` accepts, in words. */
export const tagsText = 'a comma-separated list of key=value';

/** Parses resource tags. Keys that differ only by case are refused, because IAM takes them for one. */
export function tagsOf(text: string): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const tag of list(text)) {
    const { key, value } = tagPattern.exec(tag)?.groups ?? {};
    if (key === undefined) throw new TypeError();
    const known = Object.keys(tags).find((name) => name.toLowerCase() === key.toLowerCase());
    if (known !== undefined) throw new TextSyntaxError(`the key ${JSON.stringify(known)} is there twice`);
    tags[key] = value ?? '';
  }
  return tags;
}

/** The readers of the settings, each with the variable that holds it. */
const readers = {
  harnessUrl: variable(
    'HARNESS_URL',
    'an https URL such as https://app.harness.io, without credentials, query or fragment',
    (text) => {
      parseBaseUrl(text);
      return text;
    },
    'https://app.harness.io',
  ),
  /** Taken from the API key when not set. */
  harnessAccountId: variable(
    'HARNESS_ACCOUNT_ID',
    'the account id: letters, digits, "_" and "-"',
    matching(/^[A-Za-z0-9_-]{1,128}$/),
  ),
  /** The key itself (local runs). */
  harnessApiKey: variable('HARNESS_API_KEY', 'an API key (pat.… or sat.…) in one line, without quotes', (text) => {
    // Refuses text that cannot be a key. The error describes it without repeating it.
    void new ApiKey(text);
    return text;
  }),
  harnessApiKeySecret: variable('HARNESS_API_KEY_SECRET', 'the name or ARN of a Secrets Manager secret', secretOf),
  /** Name or ARN of the Secrets Manager secret that holds a Docker `config.json`. */
  registryCredentialsSecret: variable(
    'REGISTRY_CREDENTIALS_SECRET',
    'the name or ARN of a Secrets Manager secret',
    secretOf,
  ),
  orgId: variable('ORG_ID', 'the identifier of a Harness organization', matching(identifier)),
  projectId: variable('PROJECT_ID', 'the identifier of a Harness project', matching(identifier)),
  connector: variable(
    'CONTAINER_REGISTRY_CONNECTOR',
    'the reference of a Harness connector, such as account.harnessImage',
    connectorReference,
  ),
  registry: variable('REGISTRY_NAME', 'host[:port][/prefix]', registryLocation),
  /** The registry that stored the copies before. Overrides that name a copy there are the factory's. */
  formerRegistry: variable('FORMER_REGISTRY', 'host[:port][/prefix]', registryLocation),
  sources: variable(
    'SOURCE_REGISTRY',
    'a comma-separated list of dockerhub, gar, ecr-public, host[:port][/prefix]',
    (text) => {
      const names = list(text);
      names.forEach(sourceLocation);
      return names;
    },
    defaultSources,
  ),
  modifyDefault: variable('MODIFY_DEFAULT', 'true or false', (text) => oneOf([true, false], text), true),
  /** `always`: scheduled runs switch Harness even before a person's first sync. */
  autoSwitch: variable(
    'AUTO_SWITCH',
    'afterFirstSync or always',
    (text) => oneOf(['afterFirstSync', 'always'], text),
    'afterFirstSync',
  ),
  maxConcurrency: variable('MAX_CONCURRENCY', 'a whole number from 1 to 40', (text) => wholeNumber(text, 1, 40), 5),
  /** If false, inputs that ask for `prune` are refused: on AWS, unless the deployment allows it. */
  allowPrune: variable('ALLOW_PRUNE', 'true or false', (text) => oneOf([true, false], text)),
  insecureRegistries: variable('INSECURE_REGISTRIES', 'a comma-separated list of host[:port]', hosts, []),
  trustedTokenHosts: variable('TRUSTED_TOKEN_HOSTS', 'a comma-separated list of host[:port]', hosts, []),
  /**
   * Hosts, as `NO_PROXY` lists them, that a registry may refer us to although they are more private than the registry.
   */
  trustedPrivateHosts: variable(
    'TRUSTED_PRIVATE_HOSTS',
    'a comma-separated list of host[:port], .domain, address or range (10.0.0.0/8)',
    (text) => list(text).map(matching(hostPattern)),
    [],
  ),
  /** Folder of CAs and client certificates, laid out as Docker's `certs.d`. */
  registryCerts: variable('REGISTRY_CERTS', 'the absolute path of a folder', (text) => {
    if (!isAbsolute(text)) throw new TypeError();
    return text;
  }),
  /** ARN of a state machine or function that judges images instead of the registry's scanner. */
  gatherScanTemplate: variable('GATHER_SCAN_TEMPLATE', templateText, template),
  /** ARN of a state machine or function that builds images instead of copying them. */
  buildPushTemplate: variable('BUILD_PUSH_TEMPLATE', templateText, template),
  /** Role for all requests to ECR: credentials, repositories, scans. */
  ecrRoleArn: variable(
    'ECR_ROLE_ARN',
    'the ARN of an IAM role',
    matching(/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/),
  ),
  /** Creates missing repositories before the push. */
  ecrCreateRepositories: variable('ECR_CREATE_REPOSITORIES', 'on or off', isOn, true),
  /** Setting of created repositories, like the next four. */
  ecrTagMutability: variable(
    'ECR_TAG_MUTABILITY',
    tagMutabilities.join(', '),
    (text) => oneOf(tagMutabilities, text),
    'MUTABLE',
  ),
  /** Tags that `ecrTagMutability` does not apply to. */
  ecrTagMutabilityExclude: variable(
    'ECR_TAG_MUTABILITY_EXCLUDE',
    `a comma-separated list of up to ${mostExclusions} tags, in which "*" stands for any characters, such as latest*`,
    (text) => z.array(z.string().regex(exclusionFilter)).min(1).max(mostExclusions).parse(list(text)),
    [],
  ),
  /** ARN, id or alias of the key that encrypts them, instead of ECR's own encryption. */
  ecrKmsKey: variable(
    'ECR_KMS_KEY',
    'the ARN, id or alias (alias/…) of a KMS key',
    matching(/^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/|alias\/)?[\w/-]+$/),
  ),
  /** Number of tags in a repository beyond which ECR expires the oldest. */
  ecrKeepVersions: variable('ECR_KEEP_VERSIONS', 'a whole number from 5 to 1000', (text) =>
    wholeNumber(text, 5, 1_000),
  ),
  ecrTags: variable('ECR_TAGS', tagsText, tagsOf, {}),
  /** The secret that always holds a valid ECR password: a Harness text secret, or the ARN of a Secrets Manager secret. */
  ecrTokenSecret: variable(
    'ECR_TOKEN_SECRET',
    'the identifier of a Harness text secret (account.x, org.x or x), or the ARN of a Secrets Manager secret',
    (text) => matching(isArn(text) ? secretArn : objectReference)(text),
  ),
  /** Name or ARN of the Secrets Manager secret that holds the URL of a Harness trigger, called when a run ends. */
  callbackUrlSecret: variable(
    'CALLBACK_URL_SECRET',
    'the name or ARN of a Secrets Manager secret, not the URL itself',
    (text) => secretOf(matching(/^(?!https?:)/)(text)),
  ),
  webhookTokenSecret: variable('WEBHOOK_TOKEN_SECRET', 'the name or ARN of a Secrets Manager secret', secretOf),
  /** Input keys that the webhook accepts with any value, and `stop` when it may stop runs. */
  webhookAllow: variable(
    'WEBHOOK_ALLOW',
    `a comma-separated list of ${guardedKeys.join(', ')}`,
    (text) => list(text).map((key) => oneOf(guardedKeys, key)),
    [],
  ),
};

export const configurationVariables: readonly string[] = Object.values<Reader<unknown>>(readers).map(
  ({ variableName }) => variableName,
);

/** Settings of a deployment, or of the environment of a local run, for all its runs. */
export type Configuration = { [Name in keyof typeof readers]: ReturnType<(typeof readers)[Name]['read']> } & {
  /** Set on AWS, where the functions may use only the ECR repositories of `registry`. No variable sets it. */
  confined?: true;
  /**
   * The bucket of bundles, on AWS: no other can be used. Empty where the deployment has none. Absent elsewhere, where a
   * bundle may be anywhere.
   */
  bundleBucket?: string | undefined;
};

/** Variables whose values must not be shown: a secret may stand where its name or public key belongs, or in a URL. */
const secret = /^HARNESS_API_KEY$|_SECRET$|^PROXY_URL$|^BUNDLE_VERIFY_KEY$/;

interface Demands {
  /** False where Harness is optional: a run that carries images needs no API key. Default: true. */
  harness?: boolean;
}

/** Reads the configuration from environment variables. Throws `InvalidConfiguration` with every problem at once. */
export function parseConfiguration(environment: Environment, demands?: Demands): Configuration {
  const problems: Problem[] = [];
  const configuration = readConfiguration(environment, problems, demands);
  refuse(problems);
  return configuration;
}

/** Reads the configuration of a function on AWS. Throws as `parseConfiguration` does. */
export function deployedConfiguration(environment: Environment): Configuration {
  const bundleBucket = environment['BUNDLE_BUCKET'] ?? '';
  return { ...parseConfiguration(environment), confined: true, bundleBucket };
}

/** Reads the configuration from environment variables, and adds every problem to `problems`. */
export function readConfiguration(
  environment: Environment,
  problems: Problem[],
  { harness = true }: Demands = {},
): Configuration {
  const isSet = (name: string) => isGiven(environment, name);
  const configuration = readVariables(readers, environment, problems);
  const demand = (path: string, allowed: string) => {
    if (!isSet(path)) problems.push({ path, found: 'nothing', allowed });
  };
  if (harness && !isSet('HARNESS_API_KEY_SECRET'))
    demand('HARNESS_API_KEY', 'an API key, or HARNESS_API_KEY_SECRET naming its secret');
  const forbid = (path: string, allowed: string) => {
    if (isSet(path)) problems.push({ path, found: render(environment[path] ?? ''), allowed });
  };
  if (configuration.ecrTagMutability.endsWith('_WITH_EXCLUSION'))
    demand('ECR_TAG_MUTABILITY_EXCLUDE', `the tags that ${configuration.ecrTagMutability} leaves out`);
  else forbid('ECR_TAG_MUTABILITY_EXCLUDE', 'nothing, unless ECR_TAG_MUTABILITY ends with _WITH_EXCLUSION');
  if (!configuration.ecrCreateRepositories) {
    const idle = ['ECR_KMS_KEY', 'ECR_KEEP_VERSIONS', 'ECR_TAGS'];
    if (configuration.ecrTagMutability !== 'MUTABLE') idle.unshift('ECR_TAG_MUTABILITY');
    for (const path of idle)
      forbid(path, 'nothing with ECR_CREATE_REPOSITORIES=off: it is for repositories that the factory creates');
  }
  if (isSet('PROJECT_ID')) demand('ORG_ID', 'the organization of the project that PROJECT_ID names');
  else if (configuration.connector?.startsWith('org.'))
    demand('ORG_ID', `the organization of connector ${configuration.connector}`);
  problems.push(...tokenSecretProblems(configuration));
  return configuration;
}

export function refuse(problems: Problem[]): void {
  if (problems.length === 0) return;
  throw new FactoryError('InvalidConfiguration', `the configuration has ${countProblems(problems)}`, {
    hint: 'Correct the environment variables; docs/reference.md lists them all.',
    problems,
  });
}

/** Returns true unless a variable is absent or empty: shells and CI systems unset variables like that. */
export function isGiven(environment: Environment, name: string): boolean {
  return (environment[name] ?? '').trim() !== '';
}

interface Reader<T> {
  readonly variableName: string;
  /** Adds a problem and returns the default when the value of the variable is wrong. */
  readonly read: (environment: Environment, problems: Problem[]) => T;
}
export type Readers<Settings> = { readonly [Name in keyof Settings]: Reader<Settings[Name]> };

export function readVariables<Settings>(
  table: Readers<Settings>,
  environment: Environment,
  problems: Problem[],
): Settings {
  const entries = Object.entries<Reader<unknown>>(table);
  return Object.fromEntries(entries.map(([name, { read }]) => [name, read(environment, problems)])) as Settings;
}

/** Returns the reader of an environment variable. `allowed` describes the values that `parse` accepts. */
export function variable<T>(name: string, allowed: string, parse: (text: string) => T): Reader<T | undefined>;
export function variable<T>(name: string, allowed: string, parse: (text: string) => T, initial: T): Reader<T>;
export function variable<T>(
  name: string,
  allowed: string,
  parse: (text: string) => T,
  initial?: T,
): Reader<T | undefined> {
  const read: Reader<T | undefined>['read'] = (environment, problems) => {
    // `trim` removes a byte order mark, too.
    const text = environment[name]?.trim();
    if (!text) return initial;
    const misplaced = misplacedIn(text);
    try {
      if (misplaced === undefined) return parse(text);
      problems.push({ path: name, found: misplaced, allowed });
    } catch (error) {
      const reason = reasonOf(error);
      // The reason describes the text in place of the secret, and repeats nothing of it.
      if (secret.test(name)) problems.push({ path: name, found: reason ?? '(not shown)', allowed });
      else problems.push({ path: name, found: render(text), allowed, ...(reason !== undefined && { reason }) });
    }
    return initial;
  };
  return { variableName: name, read };
}

export function isOn(text: string): boolean {
  return oneOf(['on', 'off'], text) === 'on';
}

export function oneOf<const T>(words: readonly T[], text: string): T {
  const word = wordIn(words, text);
  if (word === undefined) throw new TypeError();
  return word;
}

/** Accepts an ARN. Names a Harness template, which the Terraform solution had here, as what it is. */
function template(text: string): string {
  if (templateArn.test(text)) return text;
  if (templateIdentifier.test(text))
    throw new TextSyntaxError(
      'it is the identifier of a Harness template, which only a pipeline of Harness can run: "factory pipelines" takes it',
    );
  throw new TypeError();
}

/** Accepts the name or ARN of a secret. Refuses an API key in its place, because names appear in messages. */
function secretOf(text: string): string {
  if (/^[ps]at\./.test(text)) throw new TextSyntaxError('an API key in place of the name of its secret');
  return matching(secretName)(text);
}

/** Accepts the reference of a connector. Names a registry in its place as what it is. */
function connectorReference(text: string): string {
  if (isRegistryAddress(text)) throw new TextSyntaxError('it is the address of a registry: put it into REGISTRY_NAME');
  return matching(objectReference)(text);
}

export function matching(pattern: RegExp): (text: string) => string {
  return (text) => {
    if (!pattern.test(text)) throw new TypeError();
    return text;
  };
}

export function wholeNumber(text: string, min: number, max: number): number {
  return z
    .int()
    .min(min)
    .max(max)
    .parse(/^\d+$/.test(text) ? Number(text) : undefined);
}

export function list(text: string): string[] {
  return z
    .array(z.string())
    .min(1)
    .parse(itemsOf(text))
    .map((item) => item.trim());
}

function hosts(text: string): string[] {
  return list(text).map((host) => {
    const { registry, prefix } = parseRegistryLocation(host);
    if (prefix) throw new TextSyntaxError(`"${host}" has a path: leave it out`);
    return registry;
  });
}
