import { copyBarely } from './bare-copy.ts';
import { connectWithUndici, disconnect } from './undici-client.ts';

/** The least time of a sync with undici. */
await copyBarely(connectWithUndici);
await disconnect();
