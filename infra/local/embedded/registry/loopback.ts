import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { RegistryError } from './errors.ts';
import { Abandoned, Exchange } from './exchange.ts';
import type { Faults } from './faults.ts';
import { recordOf, type RequestRecord } from './request-log.ts';

export interface Loopback {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly origin: string;
  /** Cuts every connection, stalled ones too. */
  close(): Promise<void>;
}

export interface LoopbackOptions {
  server: RequestRecord['server'];
  /** 0 picks a free one. */
  port?: number;
  requests: RequestRecord[];
  faults: Faults;
  handle: (exchange: Exchange) => Promise<void>;
}

/** Starts an HTTP server on the loopback address whose requests are logged and meet the ordered faults. */
export async function listen(options: LoopbackOptions): Promise<Loopback> {
  const server = createServer((request, response) => void answer(request, response, options));
  // Clients pool connections; one that the server closes while idle looks to them like a fault nobody ordered.
  server.keepAliveTimeout = 60_000;
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    origin: `http://${host}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: LoopbackOptions): Promise<void> {
  // A target or Host that is no URL becomes one that nothing is served at.
  const url = URL.parse(`http://${request.headers.host}${request.url}`) ?? new URL('http://127.0.0.1/');
  const record = recordOf(options.server, request, url);
  options.requests.push(record);
  const exchange = new Exchange(request, response, { url, record, faults: options.faults });
  try {
    await exchange.begin();
    await options.handle(exchange);
  } catch (error) {
    if (error instanceof RegistryError) {
      await exchange.replyError(error).catch(ignoreAbandoned);
    } else if (!(error instanceof Abandoned)) {
      // A bug of this registry: loud, for whoever reads the failing test.
      process.emitWarning(String(error));
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(String(error));
    }
  } finally {
    request.resume();
  }
}

function ignoreAbandoned(error: unknown): void {
  if (!(error instanceof Abandoned)) throw error;
}
