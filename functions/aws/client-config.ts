import type { ClientRequestArgs } from 'node:http';
import { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler';
import { type Proxy, proxyFor } from '../http/proxy.ts';
import { forwardingFailure, throughProxy } from '../http/proxy-failure.ts';
import { tunnelConnector } from '../http/tunnel.ts';

type Timeouts = Pick<NodeHttpHandlerOptions, 'connectionTimeout' | 'socketTimeout'>;
type HttpRequest = Parameters<NodeHttpHandler['handle']>[0];
type HttpOptions = Parameters<NodeHttpHandler['handle']>[1];

/**
 * Time limits in milliseconds, of which the SDK has none. `socketTimeout` limits each silence, not the whole response.
 */
const defaults = { connectionTimeout: 10_000, socketTimeout: 30_000 };

/** Shorter than `connectionTimeout`, so that the error names the proxy. In milliseconds. */
const tunnelMs = 9_000;

/**
 * Returns the settings that all clients of the AWS SDK share: time limits, and the proxy that `HTTPS_PROXY`,
 * `HTTP_PROXY` and `NO_PROXY` name, by the rules that requests to registries follow. `NODE_EXTRA_CA_CERTS` adds CAs.
 */
export function clientConfig(timeouts: Timeouts = {}): { requestHandler: NodeHttpHandler } {
  return { requestHandler: new ProxyHandler({ ...defaults, ...timeouts, httpsAgent: new TunnelAgent(agentOptions) }) };
}

/** The SDK's own defaults. */
const agentOptions = { keepAlive: true, maxSockets: 50 };

/** Connects through the proxy's tunnel. Node.js 22.15 has no `proxyEnv` yet, whose errors lack the proxy. */
class TunnelAgent extends Agent {
  readonly #destroyed = new AbortController();

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const { host, port, servername } = options as { host: string; port: number; servername?: string };
    const proxy = proxyFor(new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`), process.env);
    if (!proxy) return super.createConnection(options, callback);
    const connect = tunnelConnector({ proxy, timeoutMs: tunnelMs, signal: this.#destroyed.signal });
    connect({ hostname: host, port: String(port), servername }, (error, socket) =>
      callback?.(error && (throughProxy(proxy, error) as Error), socket as Duplex),
    );
    return undefined;
  }

  override destroy(): void {
    this.#destroyed.abort();
    super.destroy();
  }
}

/** Sends plain HTTP by the proxy, and completes errors. */
class ProxyHandler extends NodeHttpHandler {
  override async handle(request: HttpRequest, options?: HttpOptions): ReturnType<NodeHttpHandler['handle']> {
    const { protocol, hostname, port } = request;
    const authority = port === undefined ? hostname : `${hostname}:${port}`;
    const proxy = protocol === 'http:' ? proxyFor(new URL(`http://${authority}`), process.env) : undefined;
    try {
      return await super.handle(proxy ? forwarded(request, authority, proxy) : request, options);
    } catch (error) {
      // The SDK's error has neither the host nor a code.
      if (error instanceof Error && error.name === 'TimeoutError')
        Object.assign(error, { code: 'ETIMEDOUT', message: `${hostname}: ${error.message}` });
      throw proxy ? forwardingFailure(proxy, authority, error) : error;
    }
  }
}

function forwarded(request: HttpRequest, authority: string, { url, authorization }: Proxy): HttpRequest {
  const { protocol, hostname, port } = url;
  return Object.assign(request.clone(), {
    protocol,
    hostname,
    port: port === '' ? undefined : Number(port),
    path: `http://${authority}${request.path}`,
    headers: { ...request.headers, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
  });
}
