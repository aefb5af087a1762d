import { afterEach, expect, it } from '@jest/globals';
import { profileNames, type ProfileName } from '../../infra/local/embedded/harness-api/profiles.ts';
import { officialAddresses } from '../../infra/local/embedded/harness-api/state.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, startFactory } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

const itself = 'With "manage_connector": true, sync does it.';

async function start(profile: ProfileName, address?: (factory: Factory) => string): Promise<string> {
  factory = await startFactory({ harness: { profile } });
  const [connector] = factory.harness.state[factory.harness.accountId]?.connectors ?? [];
  if (!connector) throw new Error('the account has no connector');
  const url = address ? address(factory) : officialAddresses.gar;
  Object.assign(connector.spec, { dockerRegistryUrl: url, providerType: 'Other' });
  return url;
}

const print = async (action: string, input?: object) => summaryOf(await factory.run(action, input));

/** Does what the printed plans say, and returns the input that they led to. */
async function followAdvice(): Promise<object> {
  const manage = { manage_connector: true };
  const text = await print('plan', manage);
  const [, more] = /add (\{.*\}) to the input/.exec(text) ?? [];
  return more === undefined ? manage : { ...manage, ...(JSON.parse(more) as object) };
}

it.each([
  ...profileNames.map((profile) => [profile, 'Google Artifact Registry', undefined] as const),
  ['saas-2023', 'ECR Public', () => officialAddresses['ecr-public']],
  ['saas-2023', 'the host of the registry', ({ target }: Factory) => `http://${target.host}`],
] satisfies (readonly [ProfileName, string, ((factory: Factory) => string) | undefined])[])(
  'the printed advice leads an account of %s from a connector for %s to copies of everything that pods pull',
  async (profile, _, address) => {
    const before = await start(profile, address);
    const after = `http://${factory.registry}`;
    expect(await print('plan')).toContain(itself);
    const input = await followAdvice();
    expect(await print('plan', input)).toContain(`connector account.harnessImage: ${before} → ${after} (planned)`);
    expect(await print('sync', input)).toContain(`connector account.harnessImage: ${before} → ${after} (changed)`);
    const verified = await factory.run('verify', input);
    expect(verified.error).toBeUndefined();
    expect(new Set(verified.pulls?.map(({ status }) => status))).toEqual(new Set(['present']));
    expect(await print('plan', input)).toContain('SUCCEEDED (nothing to do)');
  },
);

it('advises nothing for a connector that has the address of the registry', async () => {
  await start('saas-2023', ({ registry }) => `http://${registry}`);
  for (const action of ['plan', 'sync', 'verify']) {
    const text = await print(action, { manage_connector: true });
    expect(text).not.toMatch(/account\.harnessImage/);
  }
});
