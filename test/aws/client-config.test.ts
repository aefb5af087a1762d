import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CertificateAuthority } from '../http/certificate-authority.ts';
import { startConnectProxy } from '../http/connect-proxy.ts';
import { available } from '../real-parts.ts';

const root = join(import.meta.dirname, '../..');
const host = 'secretsmanager.eu-west-1.amazonaws.com';
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Secrets Manager behind a certificate of a CA of our own, on loopback. */
async function startSecretsManager() {
  const folder = await mkdtemp(join(tmpdir(), 'client-config-test-'));
  closing.push(() => rm(folder, { recursive: true }));
  const authority = new CertificateAuthority(folder, 'Our CA');
  const server = createServer(authority.issue(host), (request, response) => {
    request.resume();
    response.end(JSON.stringify({ SecretString: 'pat.account.id.key' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });
  const ca = join(folder, 'our-ca.pem');
  await writeFile(ca, authority.cert);
  return { port: (server.address() as AddressInfo).port, ca };
}

/** Reads the secret in a process of its own: what Node reads at its start cannot be changed later. */
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

(available('openssl') ? describe : describe.skip)('clients of AWS', () => {
  it('go through the proxy, logged in to it, and trust the CA that Node is told of', async () => {
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

  it('go around it for hosts in NO_PROXY', async () => {
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

  it('fail when the proxy refuses them', async () => {
    const proxy = await startConnectProxy(403);
    closing.push(() => proxy.close());
    expect(await readSecret({ HTTPS_PROXY: proxy.url })).toMatch(/^FactoryError|^InvalidConfiguration/);
    expect(proxy.seen.map(({ target }) => target)).toEqual([`${host}:443`]);
  });
});
