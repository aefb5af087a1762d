import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createSecureContext } from 'node:tls';
import { connections, copyBarely } from './bare-copy.ts';

/**
 * The least time of a sync with the HTTP client of Node.js, which is in its start-up snapshot. An import of `node:http`
 * would load another copy of undici, for its WebSocket.
 */
const modules = { 'http:': process.getBuiltinModule('node:http'), 'https:': process.getBuiltinModule('node:https') };
const secureContext = createSecureContext();

await copyBarely((origin) => {
  const protocol = new URL(origin).protocol as keyof typeof modules;
  const { Agent, request } = modules[protocol];
  const agent = new Agent({ keepAlive: true, maxSockets: connections, secureContext });
  return async ({ path, body, ...options }) => {
    const call = request(new URL(path, origin), { ...options, agent });
    const answered = once(call, 'response') as Promise<[IncomingMessage]>;
    if (typeof body === 'object' && Symbol.asyncIterator in body) {
      for await (const chunk of body) if (!call.write(chunk)) await once(call, 'drain');
      call.end();
    } else call.end(body);
    const [response] = await answered;
    return { status: response.statusCode ?? 0, headers: response.headers, body: response };
  };
});
// Idle connections would keep the process.
process.exit();
