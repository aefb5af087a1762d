import { parseAllDocuments } from 'yaml';
import { type CommandOptions, type Outcome, pipelines } from '../../../infra/local/pipelines/command.ts';

export const url = 'https://abc.lambda-url.eu-west-1.on.aws/runs';
const environment = { ORG_ID: 'default', PROJECT_ID: 'platform', REGISTRY_NAME: 'registry.example.com/harness' };
export const everything = { schedule: '0 2 * * *', imageConnector: true, delegates: 'eu, us' };

/** A command `pipelines`, with its options, input and variables. */
export interface Case {
  options?: { [Name in keyof CommandOptions]?: CommandOptions[Name] | undefined };
  input?: Record<string, unknown>;
  more?: Record<string, string>;
}

export function run({ options, input = {}, more }: Case = {}): Promise<Outcome> {
  const via = options?.via ?? 'webhook';
  const given = { via, ...(via === 'webhook' && { url }), ...options };
  return pipelines(
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as CommandOptions,
    { input, environment: { ...environment, ...more }, note: () => undefined, signal: new AbortController().signal },
  );
}

export async function render(some?: Case): Promise<string> {
  return (await run(some)).text;
}

export type Document = Record<string, Record<string, unknown>>;

export async function documents(some?: Case): Promise<Document[]> {
  return parseAllDocuments(await render(some)).map((document) => document.toJS() as Document);
}

/** Commands that render every kind of object, by what they are about. */
export const cases: [string, Case][] = [
  ['webhook', {}],
  ['webhook, everything', { options: everything }],
  ['delegate', { options: { via: 'delegate' } }],
  ['delegate, everything', { options: { via: 'delegate', state: '/data/factory', ...everything } }],
  [
    'the password of ECR',
    {
      options: { imageConnector: true },
      more: {
        ECR_TOKEN_SECRET: 'account.ecr_password',
        REGISTRY_NAME: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/ci',
      },
    },
  ],
  ['a secret that exists', { options: { secret: 'account.factory_token' } }],
  ['other inputs', { input: { infrastructure_type: 'VM', include_windows_rootless: true, soak_days: 30 } }],
];
