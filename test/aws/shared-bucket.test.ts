import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sharedBucket } from '../../functions/aws/shared-bucket.ts';
import { setEnvironment } from '../process-environment.ts';

interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** The code and the message of an error. */
  error?: [code: string, message: string];
}

const ok: Answer = { status: 200 };
const unfulfilled: Answer = { status: 412, error: ['PreconditionFailed', 'a condition did not hold'] };

let server: Server;
let requests: IncomingMessage[];
let answer: (request: IncomingMessage) => Answer;
let variables: typeof process.env;

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    const { status, headers, error } = answer(request);
    const xml = error ? `<Error><Code>${error[0]}</Code><Message>${error[1]}</Message></Error>` : '<ListBucketResult/>';
    request.resume().on('end', () => response.writeHead(status, { 'content-type': 'text/xml', ...headers }).end(xml));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  variables = { ...process.env };
  setEnvironment({
    PATH: variables['PATH'],
    // A name, not an address: the SDK itself knows that an address has no subdomains.
    AWS_ENDPOINT_URL: `http://localhost:${(server.address() as AddressInfo).port}`,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_MAX_ATTEMPTS: '1',
  });
});
afterEach(async () => {
  setEnvironment(variables);
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
});

const bucket = () => sharedBucket('state', 'team/ci/');
const withCondition = ({ headers }: IncomingMessage) =>
  headers['if-none-match'] !== undefined || headers['if-match'] !== undefined;
const isLocalhost = process.platform === 'linux' ? it : it.skip;

describe('a bucket that machines share', () => {
  isLocalhost('appears in the path of requests to an endpoint of your own', async () => {
    answer = () => ok;
    await bucket().list('runs/');
    expect(requests.map(({ url }) => url)).toEqual(['/state/?list-type=2&prefix=team%2Fci%2Fruns%2F']);
  });

  it('may be in another region', async () => {
    const isThere = ({ headers }: IncomingMessage) => headers.authorization?.includes('/us-west-2/') === true;
    answer = (request) =>
      isThere(request)
        ? ok
        : { status: 301, headers: { 'x-amz-bucket-region': 'us-west-2' }, error: ['PermanentRedirect', 'elsewhere'] };
    expect(await bucket().list('runs/')).toEqual([]);
    expect(requests).toHaveLength(2);
  });

  it('serves once a probe was written there, on the conditions that a lock needs', async () => {
    let isWritten = false;
    answer = ({ headers }) => {
      if (headers['if-match'] !== undefined || isWritten) return unfulfilled;
      isWritten = true;
      return ok;
    };
    await bucket().prepare();
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(
      Array(3).fill('PUT /state/team/ci/probe?x-id=PutObject'),
    );
    requests = [];
    await bucket().prepare();
    expect(requests).toHaveLength(2);
    expect(requests.every(withCondition)).toBe(true);
  });

  it.each([
    ['every condition', () => ok],
    ['If-Match', ({ headers }: IncomingMessage) => (headers['if-match'] === undefined ? unfulfilled : ok)],
    ['If-None-Match', ({ headers }: IncomingMessage) => (headers['if-none-match'] === undefined ? unfulfilled : ok)],
  ])('must not have a server that ignores %s', async (_, ignoring) => {
    answer = ignoring;
    await expect(bucket().prepare()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: 'cannot lock s3://state/team/ci/: its server ignores the conditions of a write',
      hint: 'Use Amazon S3, or a server that supports If-Match and If-None-Match on PutObject.',
    });
  });

  it.each([
    [-7, '7 minutes ahead of'],
    [7, '7 minutes behind'],
  ])('serves no machine whose clock is wrong: S3 has %i minutes more', async (minutes, difference) => {
    answer = () => ({ ...unfulfilled, headers: { date: new Date(Date.now() + minutes * 60_000).toUTCString() } });
    await expect(bucket().prepare()).rejects.toMatchObject({
      name: 'StoreFailed',
      message: `cannot lock s3://state/team/ci/: the clock of this machine is ${difference} that of S3`,
      hint: expect.stringContaining('Set the clock'),
    });
  });

  it('serves a machine whose clock is 4 minutes wrong', async () => {
    answer = () => ({ ...unfulfilled, headers: { date: new Date(Date.now() + 240_000).toUTCString() } });
    await bucket().prepare();
  });

  it.each<[string, number, string, string, string, Record<string, string>?]>([
    ['a missing bucket', 404, 'NoSuchBucket', 'no bucket', 'Create the bucket state, or correct its name.'],
    [
      'a missing permission',
      403,
      'AccessDenied',
      'not authorized to perform: s3:PutObject',
      'Allow s3:GetObject and s3:PutObject on the objects of the bucket state, and s3:ListBucket on the bucket. Check also its policy.',
    ],
    [
      'a missing permission on the key',
      403,
      'AccessDenied',
      'not authorized to perform: kms:GenerateDataKey',
      'Allow kms:Decrypt and kms:GenerateDataKey on the KMS key of the bucket state.',
    ],
    [
      'a disabled key',
      400,
      'KMS.DisabledException',
      'it is disabled',
      'Enable the KMS key of the bucket state, or give the bucket another.',
    ],
    [
      'another region',
      301,
      'PermanentRedirect',
      'use the other endpoint',
      'Set AWS_REGION to the region of the bucket state.',
    ],
    [
      'another region that S3 names',
      400,
      'AuthorizationHeaderMalformed',
      'the region is wrong',
      'Set AWS_REGION to the region of the bucket state (us-west-2).',
      { 'x-amz-bucket-region': 'us-west-2' },
    ],
    [
      'old credentials',
      400,
      'ExpiredToken',
      'it has expired',
      'Check the AWS credentials: none were found, or they have expired.',
    ],
    [
      'unknown credentials',
      403,
      'InvalidAccessKeyId',
      'no such key',
      'Check the AWS credentials: none were found, or they have expired.',
    ],
    [
      'any other error',
      405,
      'MethodNotAllowed',
      'not here',
      'Look the error up in the API reference of S3, and check the bucket state.',
    ],
  ])('gives the cure for %s', async (_, status, code, message, hint, headers = {}) => {
    answer = () => ({ status, headers, error: [code, message] });
    const failure = { name: 'StoreFailed', message: expect.stringContaining(`${code}: ${message}`), hint };
    await expect(bucket().prepare()).rejects.toMatchObject(failure);
    await expect(bucket().get('a')).rejects.toMatchObject(failure);
    await expect(bucket().list('a')).rejects.toMatchObject(failure);
  });

  it('gives the cure for a region that is not set', async () => {
    delete process.env['AWS_REGION'];
    process.env['AWS_CONFIG_FILE'] = process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/none';
    await expect(bucket().list('')).rejects.toMatchObject({
      message: expect.stringContaining('Region is missing'),
      hint: 'Set AWS_REGION to the region of the bucket state.',
    });
  });

  it('gives the cure for credentials that are missing', async () => {
    delete process.env['AWS_ACCESS_KEY_ID'];
    Object.assign(process.env, {
      AWS_CONFIG_FILE: '/none',
      AWS_SHARED_CREDENTIALS_FILE: '/none',
      AWS_EC2_METADATA_DISABLED: 'true',
    });
    await expect(bucket().list('')).rejects.toMatchObject({
      message: expect.stringContaining('Could not load credentials from any providers'),
      hint: 'Check the AWS credentials: none were found, or they have expired.',
    });
  });
});
