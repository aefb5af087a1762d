import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler';
import { displayProxy, type Proxy, proxyFor } from '../http/proxy.ts';
import { proxyRefusal, unreachableProxy } from '../http/proxy-failure.ts';

type Timeouts = Pick<NodeHttpHandlerOptions, 'connectionTimeout' | 'socketTimeout'>;
/** The SDK sets no limit to the time that a peer may be silent, at first or in between; the whole may take longer. */
const patience: Timeouts = { connectionTimeout: 10_000, socketTimeout: 30_000 };

type HttpRequest = Parameters<NodeHttpHandler['handle']>[0];
type HttpOptions = Parameters<NodeHttpHandler['handle']>[1];

/**
 * What every client of the AWS SDK is made with: the SDK knows nothing of proxies. It asks `HTTPS_PROXY`, `HTTP_PROXY`
 * and `NO_PROXY` by the same rules as the requests to registries. CAs of one's own come in by `NODE_EXTRA_CA_CERTS`.
 */
export function clientConfig(timeouts: Timeouts = {}): { requestHandler: ProxiedHandler } {
  return { requestHandler: new ProxiedHandler({ ...patience, ...timeouts }) };
}

/** The SDK's own handler, one for each way to the outside. */
class ProxiedHandler {
  /** Tells the SDK what it is. */
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #timeouts: Timeouts;
  readonly #handlers = new Map<string, NodeHttpHandler>();

  constructor(timeouts: Timeouts) {
    this.#timeouts = timeouts;
  }

  async handle(request: HttpRequest, options?: HttpOptions): ReturnType<NodeHttpHandler['handle']> {
    const port = request.port === undefined ? '' : `:${request.port}`;
    const proxy = proxyFor(new URL(`${request.protocol}//${request.hostname}${port}`), process.env);
    try {
      return await this.#by(proxy).handle(request, options);
    } catch (error) {
      // The SDK's own says neither who was silent nor, in a code, that the network is at fault.
      if (error instanceof Error && error.name === 'TimeoutError')
        Object.assign(error, { code: 'ETIMEDOUT', message: `${request.hostname}: ${error.message}` });
      throw proxy ? proxyFault(proxy, `${request.hostname}${port || ':443'}`, error) : error;
    }
  }

  /** Nothing but time limits can be set, and those not later. */
  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Timeouts {
    return this.#timeouts;
  }

  destroy(): void {
    for (const handler of this.#handlers.values()) handler.destroy();
    this.#handlers.clear();
  }

  #by(proxy: Proxy | undefined): NodeHttpHandler {
    const key = `${proxy?.url.href} ${proxy?.authorization}`;
    let handler = this.#handlers.get(key);
    if (!handler) {
      handler = new NodeHttpHandler({ ...this.#timeouts, ...(proxy && agentsThrough(proxy)) });
      this.#handlers.set(key, handler);
    }
    return handler;
  }
}

/** Names the proxy when it was the proxy that failed; the code stays, by which the SDK decides to try again. */
function proxyFault(proxy: Proxy, target: string, error: unknown): unknown {
  const { code, statusCode, message } = Object(error) as { code?: string; statusCode?: number; message?: string };
  if (code === 'ERR_PROXY_TUNNEL' && statusCode !== undefined) {
    // "Failed to establish tunnel to … via …: HTTP/1.1 407 Proxy Authentication Required": Node keeps no more of it.
    const phrase = /HTTP\/\d\.\d \d{3} ([^\r\n]*)/.exec(message ?? '')?.[1];
    return proxyRefusal(proxy, target, { status: statusCode, phrase, header: () => undefined, body: '' });
  }
  // Before the tunnel is open, the only connection is the one to the proxy.
  const { syscall } = Object(error) as { syscall?: string };
  if (syscall === 'connect' || syscall === 'getaddrinfo') return unreachableProxy(proxy, target, error);
  return error instanceof Error
    ? Object.assign(error, { message: `${error.message}, through ${displayProxy(proxy)}` })
    : error;
}

/** Node's own tunnel (https://nodejs.org/api/http.html, "Built-in Proxy Support"). */
function agentsThrough({ url, authorization }: Proxy): Pick<NodeHttpHandlerOptions, 'httpAgent' | 'httpsAgent'> {
  const address = new URL(url);
  if (authorization !== undefined) {
    const [user = '', ...password] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':');
    address.username = encodeURIComponent(user);
    address.password = encodeURIComponent(password.join(':'));
  }
  // As many connections as the SDK allows itself.
  const options = {
    keepAlive: true,
    maxSockets: 50,
    proxyEnv: { HTTP_PROXY: address.href, HTTPS_PROXY: address.href },
  };
  return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options) };
}
