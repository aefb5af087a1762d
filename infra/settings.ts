import { type IResolvable, Token, Tokenization } from 'aws-cdk-lib/core';
import type { ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { HarnessCiImageFactoryProps } from './harness-ci-image-factory-props.ts';
import { keyName } from './registry-permissions.ts';
import { arnOf, type Template } from './template.ts';

/** The props that every function has as an environment variable. */
const settings = [
  'harnessUrl',
  'harnessAccountId',
  'orgId',
  'projectId',
  'harnessApiKeySecret',
  'registryName',
  'formerRegistry',
  'registryCredentialsSecret',
  'insecureRegistries',
  'trustedTokenHosts',
  'trustedPrivateHosts',
  'registryCerts',
  'sourceRegistry',
  'containerRegistryConnector',
  'modifyDefault',
  'autoSwitch',
  'maxConcurrency',
  'allowPrune',
  'gatherScanTemplate',
  'buildPushTemplate',
  'ecrRoleArn',
  'ecrCreateRepositories',
  'ecrTagMutability',
  'ecrTagMutabilityExclude',
  'ecrKmsKey',
  'ecrKeepVersions',
  'ecrTags',
  'ecrTokenSecret',
  'callbackUrlSecret',
] as const satisfies readonly (keyof HarnessCiImageFactoryProps)[];

/** The environment variable of a setting: `REGISTRY_NAME` for `registryName`. */
export function variableOf(setting: string): string {
  return setting.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** The setting behind an environment variable: `registryName` for `REGISTRY_NAME`. */
export function settingOf(variable: string): string {
  return variable.toLowerCase().replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Returns the settings as environment variables of the functions, without those that are not set. */
export function environmentOf(props: HarnessCiImageFactoryProps): Record<string, string> {
  const environment: Record<string, string> = {};
  const { allowPrune = false, ecrKmsKey, ecrTags = {}, ecrCreateRepositories, ecrTokenSecret } = props;
  const values = {
    ...props,
    allowPrune,
    ecrCreateRepositories: ecrCreateRepositories === false ? 'off' : undefined,
    ecrKmsKey: ecrKmsKey && keyName(ecrKmsKey),
    ecrTags: Object.entries(ecrTags).map((tag) => tag.join('=')),
    ecrTokenSecret: ecrTokenSecret && tokenSecretId(ecrTokenSecret),
  };
  for (const setting of settings) {
    const text = textOf(values[setting]);
    if (text !== '') environment[variableOf(setting)] = text;
  }
  return environment;
}

type Value = string | number | boolean | readonly string[] | IResolvable | ISecret | Template | undefined;

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return numberText(value);
  if (Tokenization.isResolvable(value)) return Token.asString(value);
  if (typeof value !== 'object') return String(value);
  if ('secretName' in value) return secretId(value);
  return 'join' in value ? value.join(',') : arnOf(value);
}

/** Returns a number as text. One that is known at deployment only is a token there, too. */
export function numberText(value: number): string {
  return Token.isUnresolved(value) ? Token.asString(value) : String(value);
}

/** Returns the id for GetSecretValue: the full ARN, the name, or an ARN without its suffix. */
export function secretId({ secretFullArn, secretArn, secretName, env, stack }: ISecret | Secret): string {
  return secretFullArn ?? (env.account === stack.account ? secretName : secretArn);
}

/** Returns the value of ECR_TOKEN_SECRET. A name alone would look like an identifier of Harness, so it is the ARN. */
function tokenSecretId(secret: string | ISecret): string {
  return typeof secret === 'string' ? secret : (secret.secretFullArn ?? secret.secretArn);
}
