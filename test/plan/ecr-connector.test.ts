import { afterEach, expect, it } from '@jest/globals';
import { digestOf } from '../../functions/oci/spec/digest.ts';
import { formatReference, parseReference } from '../../functions/oci/spec/reference.ts';
import { checkConnector, readConnector } from '../../functions/plan/connector.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { parseExecutionInput } from '../../functions/settings/execution-input.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

const host = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const image = 'harness/ci-addon:1.18.22';
const target = parseReference(`${host}/mirror/${image}`);
const field = { module: 'ci', infrastructureType: 'K8' } as const;

let factory: Factory;
afterEach(() => factory.close());

/** Checks a connector for ECR, as a plan does that switches one field to a copy there. */
async function warningsOf(auth: string, environment: Record<string, string> = {}): Promise<string[]> {
  const spec = { dockerRegistryUrl: `https://${host}/mirror`, auth: { type: auth } };
  const connectors = [{ identifier: 'harnessImage', name: 'harnessImage', type: 'DockerRegistry', spec }];
  const variables = { REGISTRY_NAME: `${host}/mirror`, ...environment };
  factory = await startFactory({
    environment: variables,
    harness: { accounts: { embedded: { connectors } } },
  });
  const configuration = parseConfiguration({ HARNESS_API_KEY: factory.harness.apiKey, ...variables });
  const settings = parseExecutionInput({ action: 'plan' }, configuration);
  const planned = {
    changes: [{ ...field, field: 'addonTag', from: null, to: formatReference(target), image }],
    scopes: [{ ...field, defaults: { addonTag: image }, overrides: {} }],
    images: [{ image, target, status: 'current' as const, digest: digestOf(Buffer.from('manifest')) }],
    inUse: [],
  };
  const { warnings, blocked } = await factory.task(
    async (event, run) => checkConnector(await readConnector(run), event, settings, run),
    planned,
  );
  expect(blocked).toBeUndefined();
  return warnings;
}

it('warns about an ECR password in the connector of the embedded account', async () => {
  expect(await warningsOf('UsernamePassword')).toEqual([
    `connector account.harnessImage has a password for ${host}, which expires after 12 hours. Give the nodes permission to pull, or set ECR_TOKEN_SECRET.`,
  ]);
});

it.each([
  ['ECR_TOKEN_SECRET renews the password', 'UsernamePassword', { ECR_TOKEN_SECRET: 'account.ecr' }],
  ['the connector has no password', 'Anonymous', {}],
])('does not warn when %s', async (_, auth, environment) => {
  expect(await warningsOf(auth, environment)).toEqual([]);
});
