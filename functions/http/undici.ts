import { setFlagsFromString } from 'node:v8';
import api from 'undici/lib/api/index.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/**
 * What we need of undici. Its index would load fetch, WebSocket, caches and mocks as well, which took most of the time
 * that the command needs to start; and it does what is done here: dispatchers get their methods.
 */
Object.assign(Dispatcher.prototype, api);

/**
 * undici's parser is one large function in WebAssembly, which V8 would optimize after the first answers: for 90 ms of
 * a second processor, or of the only one on Lambda, and a process does not end before that is done. There is nothing to
 * be gained, for all that it parses are headers.
 */
setFlagsFromString('--no-wasm-tier-up --no-wasm-dynamic-tiering');

export { Dispatcher, Pool };
