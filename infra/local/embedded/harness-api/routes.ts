import { checkAccess } from './access-check.ts';
import { getConnector } from './connectors.ts';
import { deprecatedConfig, staleVersions } from './deprecated-config.ts';
import {
  deleteConfig,
  getCustomerConfig,
  getDefaultConfig,
  resetConfig,
  updateConfig,
  type ConfigRequest,
} from './execution-config.ts';
import { frameworkError, type Answer } from './responses.ts';
import type { ModuleName } from './state.ts';

type Handler = (request: Omit<ConfigRequest, 'module'>) => Answer | Promise<Answer>;
type ConfigHandler = (request: ConfigRequest) => Answer | Promise<Answer>;

/** Methods by path below a module's mount. */
const everyModule: Record<string, Record<string, ConfigHandler>> = {
  '/execution-config/get-default-config': { GET: getDefaultConfig },
  '/execution-config/get-customer-config': { GET: getCustomerConfig },
  '/execution-config/update-config': { POST: updateConfig },
  '/execution-config/reset-config': { POST: resetConfig },
};

const ciOnly: Record<string, Record<string, ConfigHandler>> = {
  '/execution-config': { GET: staleVersions, DELETE: deleteConfig },
  '/execution-config/get-deprecated-config': { GET: deprecatedConfig },
};

const mounts = new Map<string, ModuleName>([
  ['ci', 'ci'],
  ['iacm-manager', 'iacm'],
  ['idp', 'idp'],
]);

/** The handler of a path. Throws the 404 or 405 of the framework. */
export function route(method: string, path: string): Handler {
  const handlers = find(path);
  if (!handlers) throw frameworkError(404, 'HTTP 404 Not Found');
  const handler = handlers[method];
  if (!handler) throw frameworkError(405, 'HTTP 405 Method Not Allowed');
  return handler;
}

function find(path: string): Record<string, Handler> | undefined {
  const connector = /^\/gateway\/ng\/api\/connectors\/([\w-]+)$/.exec(path)?.[1];
  if (connector !== undefined) {
    return { GET: ({ grant, query, account }) => getConnector(connector, grant, query, account) };
  }
  if (path === '/gateway/authz/api/acl') return { POST: ({ body, grant, query }) => checkAccess(body, grant, query) };
  const [, mount = '', rest = ''] = /^\/gateway\/([^/]+)(\/.*)$/.exec(path) ?? [];
  const module = mounts.get(mount);
  const handlers = everyModule[rest] ?? (module === 'ci' ? ciOnly[rest] : undefined);
  if (!module || !handlers) return undefined;
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handle]): [string, Handler] => [
      method,
      (request) => handle({ ...request, module }),
    ]),
  );
}
