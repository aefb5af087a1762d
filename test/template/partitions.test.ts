import { describe, expect, it } from '@jest/globals';
import { Stack } from 'aws-cdk-lib/core';
import { Key } from 'aws-cdk-lib/aws-kms';
import { partitionOf, partitions } from '../../functions/oci/registry/aws-partitions.ts';
import { HarnessCiImageFactory } from '../../infra/harness-ci-image-factory.ts';
import { fill, synthesize, text } from './synthesize.ts';

describe('the partition of a region', () => {
  it.each([
    ['eu-west-1', 'aws', 'amazonaws.com'],
    ['us-east-1', 'aws', 'amazonaws.com'],
    ['us-gov-west-1', 'aws-us-gov', 'amazonaws.com'],
    ['cn-northwest-1', 'aws-cn', 'amazonaws.com.cn'],
    ['eusc-de-east-1', 'aws-eusc', 'amazonaws.eu'],
    ['us-iso-east-1', 'aws-iso', 'c2s.ic.gov'],
    ['us-isob-east-1', 'aws-iso-b', 'sc2s.sgov.gov'],
    ['eu-isoe-west-1', 'aws-iso-e', 'cloud.adc-e.uk'],
    ['us-isof-south-1', 'aws-iso-f', 'csp.hci.ic.gov'],
    ['xx-new-1', 'aws', 'amazonaws.com'],
  ])('finds the partition of %s: %s', (region, id, dnsSuffix) => {
    expect(partitionOf(region)).toMatchObject({ id, dnsSuffix });
  });
});

describe('a deployment whose region is not known before', () => {
  const templates = ['on', 'off'].map((WEBHOOK) => JSON.stringify(synthesize({ WEBHOOK }).template.toJSON()));

  it('names no partition in any ARN', () => {
    for (const template of templates) expect(template).not.toMatch(/arn:aws[a-z-]*:/);
  });

  it('fills the partition into the resources of the tasks', () => {
    const { template } = synthesize();
    const [machine] = Object.values(template.findResources('AWS::StepFunctions::StateMachine'));
    const { DefinitionString, DefinitionSubstitutions } = (machine?.['Properties'] ?? {}) as {
      DefinitionString: string;
      DefinitionSubstitutions: Record<string, unknown>;
    };
    const resources = new Set([...DefinitionString.matchAll(/"Resource":"([^"]+)"/g)].map(([, resource]) => resource));
    expect([...resources]).toEqual(['${LambdaInvoke}']);
    expect(text(DefinitionSubstitutions['LambdaInvoke'])).toBe('arn:<AWS::Partition>:states:::lambda:invoke');
  });
});

describe.each(['cn-north-1', 'us-gov-west-1', 'eusc-de-east-1', 'us-iso-east-1'])('a deployment to %s', (region) => {
  const { id, dnsSuffix } = partitionOf(region);
  const put = (stack: Stack) =>
    new HarnessCiImageFactory(stack, 'Factory', {
      registryName: `123456789012.dkr.ecr.${region}.${dnsSuffix}/mirror`,
      encryptionKey: new Key(stack, 'Key'),
      ecrKmsKey: Key.fromKeyArn(stack, 'Images', `arn:${id}:kms:${region}:123456789012:key/1234abcd`),
      webhook: {},
    });
  const { template } = fill(put, { env: { account: '123456789012', region } });
  const policies = textOf(template.findResources('AWS::IAM::Policy'));

  it('writes only ARNs of the partition', () => {
    const found = new Set(
      [...JSON.stringify(template.toJSON()).matchAll(/arn:(aws[a-z-]*):/g)].map(([, name]) => name),
    );
    expect([...found]).toEqual([id]);
  });

  it('lets roles use keys through the services of its partition', () => {
    const services = new Set([...policies.matchAll(/"kms:ViaService":"([^"]+)"/g)].map(([, service = '']) => service));
    expect(services).toEqual(
      new Set(['ecr', 'secretsmanager', 'states'].map((service) => `${service}.${region}.${dnsSuffix}`)),
    );
  });

  it('gives its functions the rights to push to a registry of the partition', () => {
    expect(policies).toContain(`arn:${id}:ecr:${region}:123456789012:repository/mirror/*`);
  });

  it('lets CloudWatch Logs, by its name there, use the key', () => {
    expect(textOf(template.findResources('AWS::KMS::Key'))).toContain(`"logs.${region}.${dnsSuffix}"`);
  });

  /** JSON, with the DNS suffix of the region in it. */
  function textOf(value: object): string {
    return JSON.stringify(value, (_, part: unknown) =>
      typeof part === 'object' && part !== null && 'Fn::Join' in part
        ? text(part).replaceAll('<AWS::URLSuffix>', dnsSuffix)
        : part,
    );
  }
});

it('names every partition once', () => {
  expect(new Set(partitions.map(({ id }) => id)).size).toBe(partitions.length);
});
