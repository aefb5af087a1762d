import type { SFNClient } from '@aws-sdk/client-sfn';
import { SignatureV4 } from '@smithy/signature-v4';
import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { partitionOf } from '../oci/registry/aws-partitions.ts';
import { clientConfig } from './client-config.ts';

export interface Invocation {
  status: number;
  /** The function ran, and failed. */
  functionError: string | undefined;
  payload: string;
}

/** The longest that a function may take, and a little more. */
const invocationMs = 910_000;

/**
 * Invokes a Lambda function and waits for its answer (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
 * Without the SDK's client, which for this one call would be a tenth of every bundle; `client` lends its credentials.
 * Throws what the network throws.
 */
export async function invokeFunction(
  arn: string,
  payload: string,
  { config }: SFNClient,
  endpoint: string | undefined,
  signal?: AbortSignal,
): Promise<Invocation> {
  const [, , , region = ''] = arn.split(':');
  const { protocol, hostname, port, host } = new URL(
    endpoint ?? `https://lambda.${region}.${partitionOf(region).dnsSuffix}`,
  );
  const signer = new SignatureV4({
    service: 'lambda',
    region,
    credentials: config.credentials,
    sha256: config.sha256,
  });
  const request = await signer.sign({
    method: 'POST',
    protocol,
    hostname,
    ...(port !== '' && { port: Number(port) }),
    path: `/2015-03-31/functions/${encodeURIComponent(arn)}/invocations`,
    headers: { host, 'content-type': 'application/json' },
    body: payload,
  });
  const { requestHandler } = clientConfig({ socketTimeout: invocationMs });
  try {
    const { response } = await requestHandler.handle(request as never, signal && { abortSignal: signal });
    const body = await buffer(response.body as Readable);
    return {
      status: response.statusCode,
      functionError: response.headers['x-amz-function-error'],
      payload: body.toString(),
    };
  } finally {
    requestHandler.destroy();
  }
}
