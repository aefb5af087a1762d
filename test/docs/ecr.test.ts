import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { needed } from './role-policy.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/ecr.md'), 'utf8');

describe('the page of ECR', () => {
  const [trust, policy] = [...page.matchAll(/^```json\n([\s\S]*?)^```/gm)].map(
    ([, json = '']) => JSON.parse(json) as { Statement: { Effect: string; Action: string | string[] }[] },
  );

  it('prints the policy that a role in another account needs: all needs of all tasks', () => {
    expect(policy?.Statement.map(({ Action }) => Action)).toEqual([
      needed('ecr'),
      needed('ecrRegistry'),
      ['kms:CreateGrant', 'kms:DescribeKey'],
    ]);
    expect(trust?.Statement).toMatchObject([{ Effect: 'Allow', Action: 'sts:AssumeRole' }]);
  });

  it('names all that pulling from a source takes', () => {
    const [, section = ''] = page.split('## As a source');
    for (const action of needed('ecrSource')) expect(section).toContain(`\`${action}\``);
  });
});
