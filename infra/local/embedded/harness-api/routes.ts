import { checkAccess } from './access-check.ts';
import { dbopsHandlers, dbopsPath } from './dbops.ts';
import { isServed } from './defaults.ts';
import { deprecatedConfig, staleVersions } from './deprecated-config.ts';
import {
  deleteConfig,
  getCustomerConfig,
  getDefaultConfig,
  resetConfig,
  updateConfig,
  type ConfigRequest,
} from './execution-config.ts';
import { objectHandlers } from './objects/routes.ts';
import type { ApiRequest } from './request.ts';
import { frameworkError, type Answer } from './responses.ts';
import type { ModuleName } from './state.ts';

type Handler = (request: ApiRequest) => Answer | Promise<Answer>;
type ConfigHandler = (request: ConfigRequest) => Answer | Promise<Answer>;

/** Methods by path below a module's mount. */
const everyModule: Record<string, Record<string, ConfigHandler>> = {
  '/execution-config/get-default-config': { GET: getDefaultConfig },
  '/execution-config/get-customer-config': { GET: getCustomerConfig },
  '/execution-config/update-config': { POST: updateConfig },
  '/execution-config/reset-config': { POST: resetConfig },
};

const checks = { '/execution-config/get-deprecated-config': { GET: deprecatedConfig } };

const someModules: Partial<Record<ModuleName, Record<string, Record<string, ConfigHandler>>>> = {
  ci: { ...checks, '/execution-config': { GET: staleVersions, DELETE: deleteConfig } },
  idp: { ...checks, '/execution-config': { GET: staleVersions } },
};

const mounts: Readonly<Record<string, ModuleName>> = { ci: 'ci', 'iacm-manager': 'iacm', idp: 'idp' };

/** The handler of a path. Throws the 404 or 405 of the framework. */
export function route(method: string, path: string): Handler {
  const handlers = find(path);
  if (!handlers) throw pathNotFound();
  const handler = handlers[method];
  if (!handler) throw frameworkError(405, 'HTTP 405 Method Not Allowed');
  return handler;
}

function find(path: string): Record<string, Handler> | undefined {
  if (path === '/gateway/authz/api/acl') return { POST: checkAccess };
  const handlers = objectHandlers(path);
  if (handlers) return handlers;
  const below = dbopsPath(path);
  return below === undefined ? findConfig(path) : dbopsHandlers[below];
}

function findConfig(path: string): Record<string, Handler> | undefined {
  const [, mount = '', rest = ''] = /^\/gateway\/([^/]+)(\/.*)$/.exec(path) ?? [];
  const module = Object.hasOwn(mounts, mount) ? mounts[mount] : undefined;
  const handlers = module && (everyModule[rest] ?? someModules[module]?.[rest]);
  if (!handlers) return undefined;
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handle]): [string, Handler] => [
      method,
      (request) => {
        if (!isServed(request.defaults, module)) throw pathNotFound();
        return handle({ ...request, module });
      },
    ]),
  );
}

/** The framework's response to a path that this version does not have. */
export function pathNotFound(): Error {
  return frameworkError(404, 'HTTP 404 Not Found');
}
