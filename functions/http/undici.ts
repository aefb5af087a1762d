import api from 'undici/lib/api/index.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js';

/**
 * What we need of undici. Its index would load fetch, WebSocket, caches and mocks as well, which took most of the time
 * that the command needs to start; and it does what is done here: dispatchers get their methods.
 */
Object.assign(Dispatcher.prototype, api);

export { Dispatcher, Pool, ProxyAgent };
