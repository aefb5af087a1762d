import { afterEach, describe, expect, it } from '@jest/globals';
import { EcrPublicCredentials } from '../../functions/aws/ecr-public.ts';
import { type Answer, startScriptedAws } from './scripted-aws.ts';

let close = async () => {};
afterEach(() => close());

async function credentialsFrom(answer: Answer) {
  const aws = await startScriptedAws(() => answer);
  close = () => aws.close();
  const logins = await new EcrPublicCredentials(aws.config).logins('public.ecr.aws');
  return { aws, held: await logins[0]?.credentials() };
}

const token = Buffer.from('AWS:p').toString('base64');

describe('a login to ECR Public', () => {
  it('exchanges the AWS credentials of the environment for a login to ECR Public', async () => {
    const { aws, held } = await credentialsFrom({
      status: 200,
      body: { authorizationData: { authorizationToken: token, expiresAt: 1 } },
    });
    expect(held).toEqual({ username: 'AWS', password: 'p' });
    expect(aws.calls).toEqual([{ operation: 'GetAuthorizationToken', input: {} }]);
  });

  it.each<[string, Answer]>([
    ['the right to get it', { status: 400, body: { __type: 'AccessDeniedException', message: 'no' } }],
    ['a token in it', { status: 200, body: {} }],
    ['a working service', { status: 500, body: {} }],
  ])('holds nothing without %s', async (_, answer) => {
    expect((await credentialsFrom(answer)).held).toBeUndefined();
  });

  it('holds nothing without AWS credentials', async () => {
    const none = async () => {
      throw new Error('no credentials');
    };
    const [login] = await new EcrPublicCredentials({ credentials: none }).logins('public.ecr.aws');
    expect(await login?.credentials()).toBeUndefined();
  });

  it('returns no login to ECR Public for other registries', async () => {
    for (const registry of ['docker.io', 'public.ecr.aws.example', '123456789012.dkr.ecr.us-east-1.amazonaws.com'])
      expect(await new EcrPublicCredentials().logins(registry)).toEqual([]);
  });
});
