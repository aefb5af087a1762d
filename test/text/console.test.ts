import { describe, expect, it } from '@jest/globals';
import { consoleLinks } from '../../functions/text/console.ts';

const execution = (partition: string, region: string) =>
  `arn:${partition}:states:${region}:123456789012:execution:factory:run-1`;
const page = 's3://state-bucket/runs/run-1/report.html';

describe('addresses in the console of AWS', () => {
  it.each([
    ['aws', 'eu-central-1', 'console.aws.amazon.com'],
    ['aws-us-gov', 'us-gov-west-1', 'console.amazonaws-us-gov.com'],
    ['aws-cn', 'cn-north-1', 'console.amazonaws.cn'],
    ['aws-eusc', 'eusc-de-east-1', 'console.amazonaws-eusc.eu'],
  ])('lead to the console of the partition %s', (partition, region, host) => {
    const links = consoleLinks(execution(partition, region), page);
    expect(links).toEqual({
      execution: `https://${host}/states/home?region=${region}#/v2/executions/details/${execution(partition, region)}`,
      page: `https://${host}/s3/object/state-bucket?region=${region}&prefix=runs%2Frun-1%2Freport.html`,
    });
    // A signature would be a secret in a mailbox.
    expect(Object.values(links ?? {}).join()).not.toMatch(/X-Amz|Signature|token/i);
  });

  it('encodes a key that has encoded characters of its own', () => {
    expect(consoleLinks(execution('aws', 'eu-west-1'), 's3://b/runs/a%20b/report.html')?.page).toMatch(
      /&prefix=runs%2Fa%2520b%2Freport\.html$/,
    );
  });

  it('exist neither for a local run nor in a partition without a known console', () => {
    expect(consoleLinks('20261129T020004Z-1a2b3c', page)).toBeUndefined();
    expect(consoleLinks(execution('aws-iso', 'us-iso-east-1'), page)).toBeUndefined();
    expect(consoleLinks(execution('aws', 'eu-west-1'), '/home/me/report.html')).not.toHaveProperty('page');
  });
});
