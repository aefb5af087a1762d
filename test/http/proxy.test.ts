import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { networkFailure } from '../../functions/http/network-error.ts';
import { proxyFor } from '../../functions/http/proxy.ts';
import { readBody, Transport, type TransportOptions } from '../../functions/http/transport.ts';
import { type ConnectProxy, startConnectProxy } from './connect-proxy.ts';
import { listenLocally } from './local-server.ts';

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function serve(): Promise<number> {
  const server = await listenLocally(createServer((_, response) => response.end('hello')));
  closing.push(server.close);
  return server.port;
}

async function startProxy(refusal?: number): Promise<ConnectProxy> {
  const proxy = await startConnectProxy(refusal);
  closing.push(() => proxy.close());
  return proxy;
}

function client(options: TransportOptions): (url: string, sentBy?: string) => Promise<string> {
  const transport = new Transport(options);
  closing.push(() => transport.destroy());
  return async (url, sentBy) => {
    const answer = await transport.request({
      method: 'GET',
      url: new URL(url),
      ...(sentBy !== undefined && { sentBy: new URL(sentBy) }),
    });
    return (await readBody(answer, 1000)).toString();
  };
}

async function failureOf(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, failure: networkFailure(error) };
}

describe('the proxy for a URL', () => {
  const environment = { HTTPS_PROXY: 'http://secure:1', http_proxy: 'plain:2', no_proxy: 'a.example 10.0.0.0/8' };
  const proxy = (url: string) => proxyFor(new URL(url), environment)?.url.host;

  it('depends on the scheme', () => {
    expect([proxy('https://r.example'), proxy('http://r.example')]).toEqual(['secure:1', 'plain:2']);
    expect(proxyFor(new URL('https://r.example'), { HTTP_PROXY: 'plain:2' })).toBeUndefined();
  });

  it.each(['https://a.example', 'http://x.a.example:5000', 'http://10.9.9.9:5000'])('does not exist for %s', (url) => {
    expect(proxy(url)).toBeUndefined();
  });

  it.each(['http://127.0.0.1:5000', 'http://localhost:5000', 'http://[::1]:5000'])('never applies to %s', (url) => {
    expect(proxy(url)).toBeUndefined();
  });

  it('removes user and password from the address of the proxy', () => {
    const found = proxyFor(new URL('https://r.example'), { https_proxy: 'http://ada:p%40ss@proxy:3128' });
    expect(found?.url.href).toBe('http://proxy:3128/');
    expect(found?.authorization).toBe(`Basic ${Buffer.from('ada:p@ss').toString('base64')}`);
  });

  it.each([
    ['socks5://ada:horse@proxy:1', 'proxies of type socks5 are not supported'],
    ['http://ada:horse@', 'cannot be read as a URL'],
    ['http://ada:%E0horse@proxy:1', 'a "%" that is not written as %25'],
  ])('fails with the reason and without its password if invalid: %s', async (value, reason) => {
    const { error, failure } = await failureOf(client({ environment: { HTTPS_PROXY: value } })('https://r.example'));
    expect(failure).toMatchObject({ code: 'ERR_INVALID_PROXY', text: expect.stringMatching(/^HTTPS_PROXY is not/) });
    expect(failure?.text).toContain(reason);
    expect(String((error as Error).stack) + JSON.stringify(failure)).not.toContain('horse');
  });
});

describe('a request through a proxy', () => {
  it('sends a plain request to the proxy with its whole URL', async () => {
    const [port, proxy] = [await serve(), await startProxy()];
    const get = client({ environment: { HTTP_PROXY: `http://ada:horse@127.0.0.1:${proxy.port}` } });
    expect(await get(`http://r.example:${port}/x`)).toBe('hello');
    const authorization = `Basic ${Buffer.from('ada:horse').toString('base64')}`;
    expect(proxy.seen).toMatchObject([
      { method: 'GET', target: `http://r.example:${port}/x`, headers: { 'proxy-authorization': authorization } },
    ]);
  });

  it('sends TLS through a tunnel', async () => {
    const [port, proxy] = [await serve(), await startProxy()];
    const get = client({ environment: { HTTPS_PROXY: proxy.url } });
    // The server speaks no TLS, which shows that TLS was spoken to it and not to the proxy.
    const { failure } = await failureOf(get(`https://r.example:${port}/`));
    expect(failure?.text).toBe(
      `the server does not speak TLS on this port, through the proxy 127.0.0.1:${proxy.port} (HTTPS_PROXY)`,
    );
    expect(proxy.seen).toMatchObject([{ method: 'CONNECT', target: `r.example:${port}` }]);
  });

  it('connects to this machine directly', async () => {
    const [port, proxy] = [await serve(), await startProxy()];
    const get = client({ environment: { HTTP_PROXY: proxy.url } });
    expect(await get(`http://127.0.0.1:${port}/`)).toBe('hello');
    expect(proxy.seen).toEqual([]);
  });

  it.each([
    ['http', 407],
    ['https', 407],
    ['https', 403],
  ])(
    'distinguishes a refusal of %s by the proxy from one by the server, without its password: %d',
    async (scheme, status) => {
      const proxy = await startProxy(status);
      const address = `http://ada:horse@127.0.0.1:${proxy.port}`;
      const get = client({ environment: { HTTP_PROXY: address, HTTPS_PROXY: address } });
      const { error, failure } = await failureOf(get(`${scheme}://r.example/`));
      expect(failure).toMatchObject({ code: 'ERR_PROXY_REFUSED', text: expect.stringContaining(String(status)) });
      const shown = String((error as Error).stack) + JSON.stringify([error, failure]);
      for (const secret of ['horse', Buffer.from('ada:horse').toString('base64')]) expect(shown).not.toContain(secret);
    },
  );

  /** Refuses everything in its own words, as a corporate proxy does. */
  async function startWordyProxy(status: string, headers: string[], body: string): Promise<number> {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      const length = `Content-Length: ${Buffer.byteLength(body)}`;
      socket.once('data', () => socket.end([`HTTP/1.1 ${status}`, ...headers, length, '', body].join('\r\n')));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(async () => void server.close());
    return (server.address() as AddressInfo).port;
  }

  const squid = ['X-Squid-Error: ERR_ACCESS_DENIED 0', 'Via: 1.1 proxy.corp (squid/6.10)', 'Content-Type: text/html'];
  const page = '<html><title>ERROR: Blocked by policy 7</title></html>';

  it.each<[string, string, string, string[], string, RegExp, boolean]>([
    ['https', 'HTTPS_PROXY', '403 Blocked by policy', squid, page, /Allow r\.example:443 at the proxy/, false],
    ['http', 'http_proxy', '403 Forbidden', squid, page, /Allow r\.example:80 at the proxy/, false],
    ['https', 'https_proxy', '407 Login', ['Proxy-Authenticate: Basic realm="corp"'], '', /into https_proxy/, false],
    ['http', 'HTTP_PROXY', '407 Login', ['Proxy-Authenticate: Basic realm="corp"'], '', /into HTTP_PROXY/, false],
    ['https', 'HTTPS_PROXY', '503 Service Unavailable', [], 'DNS: no such host', /can reach r\.example:443/, true],
    [
      'http',
      'HTTP_PROXY',
      '502 Bad Gateway',
      ['Proxy-Status: corp; error=dns_error'],
      '',
      /can reach r\.example:80/,
      true,
    ],
  ])(
    'quotes the refusal of an %s request by the proxy of %s (%s)',
    async (scheme, variable, status, headers, body, hint, transient) => {
      const port = await startWordyProxy(status, headers, body);
      const get = client({ environment: { [variable]: `http://ada:horse@127.0.0.1:${port}` } });
      const { failure } = await failureOf(get(`${scheme}://r.example/`));
      expect(failure).toMatchObject({ code: 'ERR_PROXY_REFUSED', party: 'proxy', transient });
      expect(failure?.hint).toMatch(hint);
      expect(failure?.text).toContain(`the proxy 127.0.0.1:${port} (${variable}) refused a connection to r.example:`);
      const words = [`HTTP ${status.slice(0, 3)}`, ...(body.match(/Blocked by policy 7|no such host/) ?? [])];
      if (scheme === 'https') words.push(status);
      words.push(
        ...headers
          .filter((line) => !line.startsWith('Content'))
          .map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase())),
      );
      for (const word of words) expect(failure?.text).toContain(word);
      expect(failure?.text).not.toMatch(/horse|ada/);
    },
  );

  it.each(['http', 'https'])('names an unreachable proxy for %s with its variable', async (scheme) => {
    const proxy = await startProxy();
    await proxy.close();
    const variable = `${scheme.toUpperCase()}_PROXY`;
    const get = client({ environment: { [variable]: `http://ada:horse@127.0.0.1:${proxy.port}` } });
    const { failure } = await failureOf(get(`${scheme}://r.example/`));
    expect(failure).toMatchObject({
      party: 'proxy',
      text: `the proxy 127.0.0.1:${proxy.port} (${variable}): connection refused`,
    });
  });

  it('names the proxy in a response that the proxy may have generated', async () => {
    const port = await startWordyProxy('502 Bad Gateway', ['Content-Type: text/plain'], 'upstream');
    const transport = new Transport({ environment: { HTTP_PROXY: `http://127.0.0.1:${port}` } });
    closing.push(() => transport.destroy());
    const response = await transport.request({ method: 'GET', url: new URL('http://r.example/') });
    expect(response).toMatchObject({ status: 502, forwardedBy: `the proxy 127.0.0.1:${port} (HTTP_PROXY)` });
    await response.body.dump();
  });

  it('treats a registry as public, so that it cannot refer us to a private address', async () => {
    const [port, proxy] = [await serve(), await startProxy()];
    const get = client({ environment: { HTTP_PROXY: proxy.url } });
    const registry = 'http://r.example';
    for (const inside of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, 'http://10.0.0.1/']) {
      const { failure } = await failureOf(get(inside, registry));
      expect([inside, failure?.code]).toEqual([inside, 'ERR_ADDRESS_REFUSED']);
    }
    expect(proxy.seen).toEqual([]);
    expect(await get(`http://storage.example:${port}/`, registry)).toBe('hello');
  });
});
