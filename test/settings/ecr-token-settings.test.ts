import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../functions/settings/configuration.ts';
import { parseEcrTokenSettings } from '../../functions/settings/ecr-token-settings.ts';
import { problemsFrom } from './problems-from.ts';

const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-password-a1B2c3';
const host = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const key = 'sat.acct1.key.aaaaaaaaaaaa';
const parse = (environment: Environment) => parseEcrTokenSettings({ REGISTRY_NAME: `${host}/mirror`, ...environment });

const problemsOf = (environment: Environment) => problemsFrom('InvalidConfiguration', () => parse(environment));

describe('ECR_TOKEN_SECRET', () => {
  it.each([
    ['account.ecr', { identifier: 'ecr' }],
    ['org.ecr-pull', { identifier: 'ecr-pull', orgIdentifier: 'default' }],
    ['ecr', { identifier: 'ecr', orgIdentifier: 'default', projectIdentifier: 'ci' }],
  ])('names the Harness secret %s in its scope', (reference, ref) => {
    const environment = { HARNESS_API_KEY: key, ECR_TOKEN_SECRET: reference, ORG_ID: 'default', PROJECT_ID: 'ci' };
    expect(parse(environment)).toMatchObject({ registry: host, secret: { kind: 'harness', reference, ref } });
  });

  it('names a secret of Secrets Manager by its ARN, and then needs no API key', () => {
    expect(parse({ ECR_TOKEN_SECRET: arn })).toMatchObject({ secret: { kind: 'secrets-manager', arn } });
    expect(problemsOf({ ECR_TOKEN_SECRET: 'account.ecr' })).toMatchObject([{ path: 'HARNESS_API_KEY' }]);
  });

  it('must be set for a refresh, with a registry', () => {
    const found = problemsOf({ HARNESS_API_KEY: key, REGISTRY_NAME: '' });
    expect(found.map(({ path }) => path)).toEqual(['REGISTRY_NAME', 'ECR_TOKEN_SECRET']);
  });

  it.each([
    ['org.ecr', {}, ['ORG_ID']],
    ['ecr', {}, ['ORG_ID', 'PROJECT_ID']],
    ['ecr', { ORG_ID: 'default' }, ['PROJECT_ID']],
    ['ecr', { PROJECT_ID: 'ci' }, ['ORG_ID']],
    ['account.ecr', {}, []],
  ])('needs the scope of %s, with %j', (reference, scope, missing) => {
    const found = problemsOf({ HARNESS_API_KEY: key, ECR_TOKEN_SECRET: reference, ...scope });
    expect(found.map(({ path }) => path)).toEqual(missing);
  });

  it('does not go with a registry that is not ECR', () => {
    expect(problemsOf({ ECR_TOKEN_SECRET: arn, REGISTRY_NAME: 'registry.example.com/harness' })).toEqual([
      {
        path: 'ECR_TOKEN_SECRET',
        found: 'a value',
        allowed: 'nothing, because registry.example.com is not a private ECR registry',
      },
    ]);
  });

  it.each([
    ['HARNESS_API_KEY_SECRET', arn],
    ['HARNESS_API_KEY_SECRET', 'ecr-password'],
    ['REGISTRY_CREDENTIALS_SECRET', 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-password'],
    ['CALLBACK_URL_SECRET', 'ecr-password'],
    ['WEBHOOK_TOKEN_SECRET', 'ecr-password'],
  ])('does not go with %s if that names the same secret, as %s', (variable, value) => {
    expect(problemsOf({ ECR_TOKEN_SECRET: arn, [variable]: value })).toMatchObject([
      { path: 'ECR_TOKEN_SECRET', allowed: 'a secret of its own, because its value is replaced' },
    ]);
  });

  it.each([
    'eyJwYXlsb2FkIjoiaHVudGVyMjIyMiJ9.password',
    'arn:aws:secretsmanager:eu-west-1:123456789012:parameter:x',
    'project.ecr',
  ])('refuses the value %s without showing it, which may be a password', (value) => {
    const found = problemsOf({ HARNESS_API_KEY: key, ECR_TOKEN_SECRET: value });
    expect(found).toMatchObject([{ path: 'ECR_TOKEN_SECRET', found: '(not shown)' }]);
    expect(JSON.stringify(found)).not.toContain(value);
  });
});
