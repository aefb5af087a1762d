import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SecureVersion, TLSSocket } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { unusableExtraCertificates } from '../../functions/http/extra-certificates.ts';
import { networkFailure } from '../../functions/http/network-error.ts';
import { readBody, Transport } from '../../functions/http/transport.ts';
import { available } from '../real-parts.ts';
import { type Certificate, CertificateAuthority } from './certificate-authority.ts';
import { startConnectProxy } from './connect-proxy.ts';
import { listenLocally } from './local-server.ts';

const closing: (() => unknown)[] = [];

(available('openssl') ? describe : describe.skip)('a registry with certificates of its own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  let ours: CertificateAuthority;
  let foreign: CertificateAuthority;
  let server: Certificate;
  let ada: Certificate;

  beforeAll(() => {
    ours = authority('ours');
    foreign = authority('foreign');
    server = ours.issue('registry.test');
    ada = ours.issue('ada');
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function authority(name: string): CertificateAuthority {
    const home = join(folder, name);
    mkdirSync(home);
    return new CertificateAuthority(home, name);
  }

  /** Answers with the name in the client's certificate. */
  async function serve(options: ServerOptions = {}, certificate = server): Promise<number> {
    const https = createServer({ ...certificate, ...options }, (request, response) => {
      response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody');
    });
    const { port, close } = await listenLocally(https);
    closing.push(close);
    return port;
  }

  async function serveByOpenssl(...options: string[]): Promise<number> {
    const home = certsFolder({ 'ca.crt': ours.cert, 's.crt': server.cert, 's.key': server.key });
    const files = ['-cert', 's.crt', '-key', 's.key', '-CAfile', 'ca.crt'];
    const child = spawn('openssl', ['s_server', '-www', '-accept', '127.0.0.1:0', ...files, ...options], {
      cwd: home,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const exited = once(child, 'exit');
    closing.push(async () => {
      child.kill();
      await exited;
    });
    let said = '';
    const port = Promise.withResolvers<number>();
    child.stdout.on('data', (chunk) => {
      const found = /ACCEPT .*:(\d+)/.exec((said += String(chunk)))?.[1];
      if (found !== undefined) port.resolve(Number(found));
    });
    child.on('exit', () => port.reject(new Error(`openssl s_server has ended: ${said}`)));
    return port.promise;
  }

  function certsFolder(files: Record<string, Buffer | string>): string {
    const certs = mkdtempSync(join(folder, 'certs-'));
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(certs, path, '..'), { recursive: true });
      writeFileSync(join(certs, path), content);
    }
    return certs;
  }

  async function get(port: number, registryCerts?: string, environment = {}): Promise<string> {
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }];
    const transport = new Transport({ registryCerts, environment, resolve });
    closing.push(() => transport.destroy());
    const url = new URL(`https://registry.test:${port}/`);
    return (await readBody(await transport.request({ method: 'GET', url }), 100)).toString();
  }

  async function failureOf(work: Promise<unknown>) {
    const error = await work.then(
      (value) => value,
      (thrown: unknown) => thrown,
    );
    return networkFailure(error) ?? error;
  }

  it('verifies by the CA in its folder', async () => {
    const port = await serve();
    expect(await get(port, certsFolder({ [`registry.test:${port}/ca.crt`]: ours.cert }))).toBe('nobody');
  });

  it('verifies by a CA whose file begins with a byte order mark', async () => {
    const port = await serve();
    const cert = Buffer.concat([Buffer.from('\ufeff'), Buffer.from(ours.cert)]);
    expect(await get(port, certsFolder({ [`registry.test:${port}/ca.crt`]: cert }))).toBe('nobody');
  });

  it('verifies by any of several CAs', async () => {
    const port = await serve();
    const at = `registry.test:${port}`;
    const certs = certsFolder({ [`${at}/a.crt`]: foreign.cert, [`${at}/b.crt`]: ours.cert });
    expect(await get(port, certs)).toBe('nobody');
  });

  it('fails verification by another CA and by the CA of another host', async () => {
    const port = await serve();
    const unknown = { text: 'TLS certificate of an unknown CA', topic: 'unknown-ca' };
    for (const certs of [
      undefined,
      certsFolder({ [`registry.test:${port}/ca.crt`]: foreign.cert }),
      certsFolder({ 'registry.test/ca.crt': ours.cert, 'other.test/ca.crt': ours.cert }),
    ]) {
      expect(await failureOf(get(port, certs))).toMatchObject(unknown);
    }
  });

  it('fails verification under another name', async () => {
    const port = await serve({}, ours.issue('elsewhere.test'));
    const certs = certsFolder({ [`registry.test:${port}/ca.crt`]: ours.cert });
    expect(await failureOf(get(port, certs))).toMatchObject({
      text: expect.stringMatching(/^TLS certificate for another host .*registry\.test.*elsewhere\.test/),
    });
  });

  it.each<SecureVersion>(['TLSv1.2', 'TLSv1.3'])('receives our client certificate over %s', async (version) => {
    const port = await serve({ requestCert: true, ca: ours.cert, maxVersion: version });
    const at = `registry.test:${port}`;
    const files = { [`${at}/ca.crt`]: ours.cert, [`${at}/client.cert`]: ada.cert, [`${at}/client.key`]: ada.key };
    expect(await get(port, certsFolder(files))).toBe('ada');
  });

  it('verifies, and receives our client certificate, through a proxy', async () => {
    const port = await serve({ requestCert: true, ca: ours.cert });
    const proxy = await startConnectProxy();
    closing.push(() => proxy.close());
    const at = `registry.test:${port}`;
    const files = { [`${at}/ca.crt`]: ours.cert, [`${at}/client.cert`]: ada.cert, [`${at}/client.key`]: ada.key };
    expect(await get(port, certsFolder(files), { HTTPS_PROXY: proxy.url })).toBe('ada');
    expect(proxy.seen).toMatchObject([{ method: 'CONNECT', target: at }]);
  });

  it.each<[string, string, boolean]>([
    ['gets none', 'TLS handshake refused by the server', false],
    ['gets one of another CA', 'TLS client certificate refused by the server', true],
  ])('reports a required client certificate: it %s', async (_, message, mallory) => {
    // Uses openssl, because Node's server cuts the connection without an alert. With TLS 1.3 the alert arrives too
    // late.
    const port = await serveByOpenssl('-Verify', '1', '-verify_return_error', '-tls1_2');
    const at = `registry.test:${port}`;
    const client = mallory ? foreign.issue('mallory') : undefined;
    const files = {
      [`${at}/ca.crt`]: ours.cert,
      ...(client && { [`${at}/client.cert`]: client.cert, [`${at}/client.key`]: client.key }),
    };
    expect(await failureOf(get(port, certsFolder(files)))).toMatchObject({
      text: message,
      hint: expect.stringContaining('client.cert'),
      transient: false,
    });
  });

  it.each<[string, (at: string) => Record<string, Buffer | string>, RegExp]>([
    ['a client certificate without its key', (at) => ({ [`${at}/client.cert`]: ada.cert }), /client\.key \(ENOENT\)/],
    ['a client key without its certificate', (at) => ({ [`${at}/x.key`]: ada.key }), /\/x\.cert \(ENOENT\)/],
    [
      'a CA that is no certificate',
      (at) => ({ [`${at}/ca.crt`]: 'hello' }),
      /\/ca\.crt \(it is not a certificate in PEM/,
    ],
    [
      'a client certificate that is none',
      (at) => ({ [`${at}/client.cert`]: 'hello', [`${at}/client.key`]: ada.key }),
      /\/client\.cert \(it is not a certificate in PEM/,
    ],
    [
      'a client key that is none',
      (at) => ({ [`${at}/client.cert`]: ada.cert, [`${at}/client.key`]: 'hello' }),
      /\/client\.key \(it is not a key in PEM/,
    ],
    [
      'a client key with a passphrase',
      (at) => ({ [`${at}/client.cert`]: ada.cert, [`${at}/client.key`]: encrypted() }),
      /\/client\.key \(it is encrypted/,
    ],
    [
      'a CA in UTF-16',
      (at) => ({ [`${at}/ca.crt`]: Buffer.from(`\ufeff${ours.cert.toString()}`, 'utf16le') }),
      /ca\.crt \(UTF-16, not UTF-8\)/,
    ],
    [
      'a key of another certificate',
      (at) => ({ [`${at}/client.cert`]: ada.cert, [`${at}/client.key`]: server.key }),
      /\/client\.key \(it is not the key of .*client\.cert\)/,
    ],
  ])('gets no connection with %s, and the error names the file', async (_, files, message) => {
    const port = await serve();
    const failure = await failureOf(get(port, certsFolder(files(`registry.test:${port}`))));
    expect(failure).toMatchObject({ code: 'ERR_CERTIFICATES', text: expect.stringMatching(message), transient: false });
  });

  it('gets no connection when the folder of all certificates is missing', async () => {
    expect(await failureOf(get(1, join(folder, 'nowhere')))).toMatchObject({
      code: 'ERR_CERTIFICATES',
      text: expect.stringContaining('nowhere (ENOENT)'),
    });
  });

  /** Made here, so that no key is kept. */
  function encrypted(): string {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'horse' },
    });
    return privateKey;
  }

  it.each([
    ['cannot be read', 'absent.pem', /absent\.pem cannot be read \(ENOENT\)/],
    ['holds no certificate', 'text.pem', /text\.pem is not a certificate in PEM/],
  ])('fails with the name of the file in NODE_EXTRA_CA_CERTS when it %s', async (_, file, hint) => {
    const port = await serve();
    const path = join(certsFolder({ 'text.pem': 'hello' }), file);
    const before = process.env['NODE_EXTRA_CA_CERTS'];
    process.env['NODE_EXTRA_CA_CERTS'] = path;
    try {
      expect(await failureOf(get(port))).toMatchObject({ hint: expect.stringMatching(hint) });
    } finally {
      if (before === undefined) delete process.env['NODE_EXTRA_CA_CERTS'];
      else process.env['NODE_EXTRA_CA_CERTS'] = before;
    }
    expect(
      unusableExtraCertificates({ NODE_EXTRA_CA_CERTS: join(certsFolder({ 'ca.pem': ours.cert }), 'ca.pem') }),
    ).toBeUndefined();
  });

  it('verifies by NODE_EXTRA_CA_CERTS, whatever its folder adds', async () => {
    const port = await serve({}, ours.issue('localhost'));
    const certs = certsFolder({ 'extra.pem': ours.cert, [`localhost:${port}/ca.crt`]: foreign.cert });
    const transport = pathToFileURL(join(import.meta.dirname, '../../functions/http/transport.ts')).href;
    const script = `
      import { Transport } from '${transport}';
      const transport = new Transport({ registryCerts: process.env.CERTS });
      const { status } = await transport.request({ method: 'GET', url: new URL('https://localhost:${port}/') });
      process.stdout.write(String(status));
      await transport.destroy();
    `;
    for (const more of [{}, { CERTS: certs }]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: join(certs, 'extra.pem'), ...more },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      expect(await text(child.stdout)).toBe('200');
    }
  });
});
