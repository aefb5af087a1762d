import { createSecureContext } from 'node:tls';
import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import { connections, copyBarely } from './bare-copy.ts';

/** The least time of a sync with undici. */
const secureContext = createSecureContext();
const pools: Pool[] = [];

await copyBarely((origin) => {
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { secureContext } });
  pools.push(pool);
  return async ({ body = null, ...call }) => {
    // undici accepts any async iterable, but its types accept only streams.
    const response = await pool.request({ ...call, body: body as Readable | null });
    return { ...response, status: response.statusCode };
  };
});
await Promise.all(pools.map((pool) => pool.close()));
