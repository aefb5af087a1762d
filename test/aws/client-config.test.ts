import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { clientConfig } from '../../functions/aws/client-config.ts';
import { ecrFailure } from '../../functions/aws/ecr.ts';
import { CertificateAuthority } from '../http/certificate-authority.ts';
import { startConnectProxy } from '../http/connect-proxy.ts';
import { available } from '../real-parts.ts';
import { listenLocally } from '../http/local-server.ts';

const root = join(import.meta.dirname, '../..');
const host = 'secretsmanager.eu-west-1.amazonaws.com';
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Secrets Manager with a certificate of a private CA, on loopback. */
async function startSecretsManager() {
  const folder = await mkdtemp(join(tmpdir(), 'client-config-test-'));
  closing.push(() => rm(folder, { recursive: true }));
  const authority = new CertificateAuthority(folder, 'Our CA');
  const server = createServer(authority.issue(host), (request, response) => {
    request.resume();
    response.end(JSON.stringify({ SecretString: 'pat.account.id.key' }));
  });
  const { port, close } = await listenLocally(server);
  closing.push(close);
  const ca = join(folder, 'our-ca.pem');
  await writeFile(ca, authority.cert);
  return { port, ca };
}

/** Reads the secret in a separate process: Node reads NODE_EXTRA_CA_CERTS only at its start. */
async function readSecret(environment: Record<string, string>) {
  const script = `
    const { readSecret } = await import(${JSON.stringify(join(root, 'functions/aws/secrets.ts'))});
    console.log(await readSecret('s').catch((error) => error.name + ': ' + error.message));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    env: {
      PATH: process.env['PATH'],
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_MAX_ATTEMPTS: '1',
      ...environment,
    },
  });
  return stdout.trim();
}

(available('openssl') ? describe : describe.skip)('a client of the AWS SDK', () => {
  it('connects through the proxy with its credentials, and trusts the CAs of NODE_EXTRA_CA_CERTS', async () => {
    const { port, ca } = await startSecretsManager();
    const proxy = await startConnectProxy(undefined, { [host]: port });
    closing.push(() => proxy.close());
    const environment = { HTTPS_PROXY: `http://us%40er:pa%3Ass@127.0.0.1:${proxy.port}`, NODE_EXTRA_CA_CERTS: ca };
    expect(await readSecret(environment)).toBe('pat.account.id.key');
    expect(proxy.seen).toMatchObject([
      {
        method: 'CONNECT',
        target: `${host}:443`,
        headers: { 'proxy-authorization': `Basic ${Buffer.from('us@er:pa:ss').toString('base64')}` },
      },
    ]);
  });

  it('connects directly to hosts in NO_PROXY', async () => {
    const proxy = await startConnectProxy(502);
    closing.push(() => proxy.close());
    // Nobody listens there.
    const environment = {
      HTTPS_PROXY: proxy.url,
      NO_PROXY: '127.0.0.0/8,localhost,.example',
      AWS_ENDPOINT_URL: 'https://127.0.0.1:1',
    };
    expect(await readSecret(environment)).toMatch(/ECONNREFUSED/);
    expect(proxy.seen).toEqual([]);
  });

  it('reports the refusal of a proxy without its password', async () => {
    const proxy = await startConnectProxy(403);
    closing.push(() => proxy.close());
    const told = await readSecret({ HTTPS_PROXY: `http://ada:horse@127.0.0.1:${proxy.port}` });
    expect(told).toContain(
      `the proxy 127.0.0.1:${proxy.port} (HTTPS_PROXY) refused a connection to ${host}:443: HTTP 403 No`,
    );
    expect(told).not.toContain('horse');
    expect(proxy.seen.map(({ target }) => target)).toEqual([`${host}:443`]);
  });
});

it('forwards plain HTTP of a client of the AWS SDK through the proxy', async () => {
  const seen: (string | undefined)[] = [];
  const forwarding = createHttpServer((request, response) => {
    seen.push(request.url, request.headers.host, request.headers['proxy-authorization']);
    request.resume();
    response.end(JSON.stringify({ SecretString: 'forwarded' }));
  });
  const port = await listen(forwarding);
  closing.push(async () => forwarding.close());
  const environment = {
    HTTP_PROXY: `http://ada:horse@127.0.0.1:${port}`,
    AWS_ENDPOINT_URL: 'http://aws.example:4566',
  };
  expect(await readSecret(environment)).toBe('forwarded');
  const credentials = `Basic ${Buffer.from('ada:horse').toString('base64')}`;
  expect(seen).toEqual(['http://aws.example:4566/', 'aws.example:4566', credentials]);
});

it('names a proxy that a client of the AWS SDK cannot reach', async () => {
  const proxy = await startConnectProxy();
  await proxy.close();
  expect(await readSecret({ HTTPS_PROXY: proxy.url })).toContain(
    `the proxy 127.0.0.1:${proxy.port} (HTTPS_PROXY): connection refused`,
  );
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a time limit of the AWS SDK', () => {
  const read = (config: ReturnType<typeof clientConfig>, endpoint: string) => {
    const client = new S3Client({
      ...config,
      endpoint,
      forcePathStyle: true,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    });
    closing.push(async () => client.destroy());
    return client.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }));
  };
  async function startS3(answer: RequestListener) {
    const server = await listenLocally(createHttpServer(answer));
    closing.push(server.close);
    return server.url;
  }

  it('defaults to 10 s for a connection and 30 s for a silence', async () => {
    const endpoint = await startS3((_, response) => response.end());
    const { requestHandler } = clientConfig();
    await read({ requestHandler }, endpoint);
    expect(requestHandler.httpHandlerConfigs()).toMatchObject({ connectionTimeout: 10_000, socketTimeout: 30_000 });
  });

  it('ends a connection attempt, and names the host', async () => {
    const sockets = new Set<Socket>();
    const silent = createTcpServer((socket) => sockets.add(socket.resume()));
    const port = await listen(silent);
    const environment = jest.replaceProperty(process, 'env', { HTTPS_PROXY: `http://127.0.0.1:${port}` });
    closing.push(async () => {
      environment.restore();
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const failure: unknown = await read(
      clientConfig({ connectionTimeout: 20 }),
      'https://s3.eu-west-1.amazonaws.com',
    ).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      name: 'TimeoutError',
      message: expect.stringContaining('s3.eu-west-1.amazonaws.com'),
    });
    expect(ecrFailure('ask', 'ecr:Ask', failure)).toMatchObject({
      name: 'RegistryUnreachable',
      message: expect.stringMatching(/^cannot ask: connection timed out: .*s3\.eu-west-1\.amazonaws\.com/),
    });
  });

  it('ends a request without a response', async () => {
    const endpoint = await startS3((request) => request.resume());
    await expect(read(clientConfig({ socketTimeout: 20 }), endpoint)).rejects.toMatchObject({
      name: 'TimeoutError',
      message: expect.stringContaining('127.0.0.1'),
    });
  });

  it('allows a response that takes longer while data arrives', async () => {
    const endpoint = await startS3(async (_, response) => {
      response.writeHead(200, { 'content-length': '12' });
      for (let i = 0; i < 12; i++) {
        response.write('x');
        await sleep(100);
      }
      response.end();
    });
    const { Body } = await read(clientConfig({ socketTimeout: 1_000 }), endpoint);
    expect(await Body?.transformToString()).toBe('x'.repeat(12));
  });
});
