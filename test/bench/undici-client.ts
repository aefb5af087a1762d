import type { Readable } from 'node:stream';
import { createSecureContext } from 'node:tls';
import { Pool } from 'undici';
import { type Client, connections } from './bare-copy.ts';

const secureContext = createSecureContext();
const pools: Pool[] = [];

/** Connects to an origin with undici, without the checks of the product's transport. */
export function connectWithUndici(origin: string): Client {
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { secureContext } });
  pools.push(pool);
  return async ({ body = null, ...call }) => {
    // undici accepts any async iterable, but its types accept only streams.
    const response = await pool.request({ ...call, body: body as Readable | null });
    return { ...response, status: response.statusCode };
  };
}

export async function disconnect(): Promise<void> {
  await Promise.all(pools.map((pool) => pool.close()));
}
