import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../functions/settings/configuration.ts';
import { type DeploymentSettings, parseDeploymentSettings } from '../../infra/deployment-settings.ts';
import { problemsFrom } from '../settings/problems-from.ts';

const parse = (environment: Environment) => parseDeploymentSettings({ HARNESS_API_KEY_SECRET: 'key', ...environment });

const problemsOf = (environment: Environment) => problemsFrom('InvalidConfiguration', () => parse(environment));

const keys = 'arn:aws:kms:eu-west-1:123456789012:';
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });

describe('the settings of a deployment', () => {
  it('run every night and have no webhook by default', () => {
    expect(parse({})).toMatchObject({ schedule: '0 2 * * ? *', scheduleTimeZone: 'UTC', webhook: undefined });
  });

  it.each<[string, string, Partial<DeploymentSettings>]>([
    ['SCHEDULE', 'off', { schedule: 'off' }],
    ['SCHEDULE', 'cron(30 4 ? * mon-fri *)', { schedule: '30 4 ? * MON-FRI *' }],
    ['SCHEDULE_TIME_ZONE', 'Europe/Berlin', { scheduleTimeZone: 'Europe/Berlin' }],
    ['WEBHOOK', 'on', { webhook: 'token' }],
    ['WEBHOOK', 'Token', { webhook: 'token' }],
    ['WEBHOOK', 'iam', { webhook: 'iam' }],
    ['WEBHOOK', 'off', { webhook: undefined }],
    ['SCHEDULE_INPUT', '{"soak_days": "30"}', { scheduleInput: { soak_days: '30' } }],
    ['SCHEDULE_INPUT', '{"wait_for_scan": true}', { scheduleInput: { wait_for_scan: true } }],
    ['NOTIFICATION_EMAIL', 'a@example.com, b@example.com', { notificationEmail: ['a@example.com', 'b@example.com'] }],
    ['MAX_CONCURRENCY', '7', { maxConcurrency: 7 }],
  ])('accept the value %s=%s', (name, value, expected) => {
    expect(parse({ [name]: value })).toMatchObject(expected);
  });

  it.each<[name: string, value: string, found: string, needed?: string]>([
    ['SCHEDULE', '0 2 * * *', '"0 2 * * *"'],
    ['SCHEDULE', 'on', '"on"'],
    ['SCHEDULE', '$(SCHEDULE)', 'an unexpanded $(…)'],
    ['SCHEDULE_TIME_ZONE', 'Berlin', '"Berlin"'],
    ['WEBHOOK', 'true', '"true"'],
    ['SCHEDULE_INPUT', 'soak_days: 30', '"soak_days: 30"'],
    ['SCHEDULE_INPUT', '[]', '"[]"'],
    ['BUNDLE_BUCKET', 's3://bundles', '"s3://bundles"'],
    ['BUNDLE_SIGNING_KEY', 'alias/bundles', '"alias/bundles"', 'BUNDLE_BUCKET'],
    ['BUNDLE_SIGNING_KEY', `${keys}alias/bundles`, `"${keys}alias/bundles"`, 'BUNDLE_BUCKET'],
    ['BUNDLE_VERIFY_KEY', `${keys}key/1`, 'the key BUNDLE_VERIFY_KEY holds no public key in PEM', 'BUNDLE_BUCKET'],
    [
      'BUNDLE_VERIFY_KEY',
      p384.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      'the key BUNDLE_VERIFY_KEY is a key of secp384r1, not of prime256v1 (P-256)',
      'BUNDLE_BUCKET',
    ],
    [
      'BUNDLE_VERIFY_KEY',
      p384.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'the key BUNDLE_VERIFY_KEY holds a private key, which must stay where bundles are signed',
      'BUNDLE_BUCKET',
    ],
    ['SCHEDULE_INPUT', '{"soak_days": 300}', '$.soak_days: 300'],
    ['SCHEDULE_INPUT', '{"soakDays": 30}', '$.soakDays: an unknown key'],
    ['SCHEDULE_INPUT', '{"action": "restore"}', '$.restore_run: nothing'],
    ['SCHEDULE_INPUT', '{"prune": true}', '$.prune: true'],
    ['NOTIFICATION_EMAIL', 'platform', '"platform"'],
    ['NOTIFICATION_EMAIL', 'https://hooks.example.com', '"https://hooks.example.com"'],
    ['WEBHOOK', 'iam,token', '"iam,token"'],
  ])('refuse the value %s=%s', (name, value, found, needed = '') => {
    const beside = needed === '' ? {} : { [needed]: 'bundles' };
    expect(problemsOf({ ...beside, [name]: value })).toMatchObject([{ path: name, found }]);
  });

  it('list their own problems and those of the functions at once', () => {
    const paths = problemsOf({ SCHEDULE: 'on', MAX_CONCURRENCY: '0', ORG_ID: '1x' }).map(({ path }) => path);
    expect(paths.toSorted()).toEqual(['MAX_CONCURRENCY', 'ORG_ID', 'SCHEDULE']);
  });

  it.each([
    ['WEBHOOK_TOKEN_SECRET', 'tokens'],
    ['WEBHOOK_PRINCIPALS', '123456789012'],
    ['WEBHOOK_CONCURRENCY', '5'],
    ['WEBHOOK_ALLOW', 'pins, stop'],
  ])('refuse %s unless WEBHOOK is set', (name, value) => {
    expect(problemsOf({ [name]: value }).map(({ path }) => path)).toEqual(['WEBHOOK']);
    expect(problemsOf({ [name]: value, WEBHOOK: 'off' })).toEqual([]);
  });

  it.each([
    ['WEBHOOK_TOKEN_SECRET', 'tokens', 'on', 'iam'],
    ['WEBHOOK_PRINCIPALS', '123456789012', 'iam', 'token'],
  ])('refuse %s for the other kind of webhook', (name, value, own, other) => {
    expect(problemsOf({ [name]: value, WEBHOOK: own })).toEqual([]);
    expect(problemsOf({ [name]: value, WEBHOOK: other })).toMatchObject([
      { path: name, allowed: expect.stringContaining(`nothing with WEBHOOK=${other}`) },
    ]);
  });

  it('accept roles, users and accounts as principals of the webhook', () => {
    const principals = [
      'arn:aws:iam::123456789012:role/ci/harness-delegate',
      'arn:aws-us-gov:iam::123456789012:user/robot',
      '210987654321',
    ];
    expect(parse({ WEBHOOK: 'iam', WEBHOOK_PRINCIPALS: principals.join(', ') }).webhookPrincipals).toEqual(principals);
  });

  it.each([
    '*',
    'arn:aws:iam::123456789012:role/*',
    'arn:aws:sts::123456789012:assumed-role/delegate/session',
    'delegate',
    '12345',
    'apigateway.amazonaws.com',
  ])('refuse the principal %s, which would open the webhook wider or to nobody', (principal) => {
    const found = problemsOf({ WEBHOOK: 'iam', WEBHOOK_PRINCIPALS: principal });
    expect(found.map(({ path }) => path)).toEqual(['WEBHOOK_PRINCIPALS']);
  });

  it.each(['0', '1001', '1.5', 'off'])('refuse the concurrency %s', (WEBHOOK_CONCURRENCY) => {
    expect(problemsOf({ WEBHOOK: 'on', WEBHOOK_CONCURRENCY }).map(({ path }) => path)).toEqual(['WEBHOOK_CONCURRENCY']);
  });

  it('refuse scheduled runs what every run is refused', () => {
    const own = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
    const input = (registry: string) => ({
      REGISTRY_NAME: `${own}/mirror`,
      SCHEDULE_INPUT: JSON.stringify({ registry }),
    });
    expect(problemsOf(input(`${own}/team`))).toMatchObject([
      { path: 'SCHEDULE_INPUT', allowed: expect.stringContaining(`${own}/mirror, or a prefix below it`) },
    ]);
    expect(problemsOf(input(`${own}/mirror/nightly`))).toEqual([]);
    expect(problemsOf({ SCHEDULE_INPUT: '{"prune": true}', ALLOW_PRUNE: 'true' })).toEqual([]);
  });

  it('refuse to let a webhook prune where no run may', () => {
    const webhook = { WEBHOOK: 'on', WEBHOOK_ALLOW: 'prune' };
    for (const ALLOW_PRUNE of [undefined, 'false'])
      expect(problemsOf({ ...webhook, ALLOW_PRUNE })).toEqual([
        { path: 'ALLOW_PRUNE', found: ALLOW_PRUNE ?? 'nothing', allowed: 'true, with prune in WEBHOOK_ALLOW' },
      ]);
    expect(problemsOf({ ...webhook, ALLOW_PRUNE: 'true' })).toEqual([]);
  });
});
