import { describe, expect, it } from '@jest/globals';
import { ecrPasswordWarnings } from '../../functions/plan/ecr-password.ts';

const host = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const connectorOf = (dockerRegistryUrl: string, authType: string) => ({
  reference: 'account.harnessImage',
  named: false,
  ref: { identifier: 'harnessImage' },
  connector: { type: 'DockerRegistry', dockerRegistryUrl, authType, document: {} },
});

describe('a connector for ECR', () => {
  it('gets a warning that its password expires', () => {
    const warnings = ecrPasswordWarnings(connectorOf(`https://${host}/mirror`, 'UsernamePassword'), {
      ecrTokenSecret: undefined,
    });
    expect(warnings).toEqual([
      `connector account.harnessImage has a password for ${host}, which expires after 12 hours. Give the nodes permission to pull, or set ECR_TOKEN_SECRET.`,
    ]);
  });

  it.each([
    ['ECR_TOKEN_SECRET renews it', connectorOf(`https://${host}`, 'UsernamePassword'), 'account.ecr'],
    ['the connector has no password', connectorOf(`https://${host}`, 'Anonymous'), undefined],
    ['the registry is another one', connectorOf('https://registry.example.com', 'UsernamePassword'), undefined],
    ['Harness cannot read the address', connectorOf('https://', 'UsernamePassword'), undefined],
    [
      'there is no connector',
      { reference: 'account.harnessImage', ref: { identifier: 'harnessImage' }, named: false },
      undefined,
    ],
  ])('gets none when %s', (_, found, ecrTokenSecret) => {
    expect(ecrPasswordWarnings(found, { ecrTokenSecret })).toEqual([]);
  });
});
