import { authorize } from './authentication.ts';
import { operations, overridesOnlyParameter, type Operation } from './parameters.ts';
import type { ApiRequest } from './request.ts';
import { ApiError, frameworkError, type Answer } from './responses.ts';
import type { Images } from './state.ts';

/**
 * The execution configuration of Database DevOps: without infrastructures, without an envelope, and with the account in
 * the header `Harness-Account` alone. Assumptions, since no public source shows them: the permissions, the responses to
 * writes, and the error for an unknown field.
 */
type DbopsHandler = (request: ApiRequest) => Answer;

/** Methods by path below `/v1/dbops/execution-config`. */
export const dbopsHandlers: Record<string, Record<string, DbopsHandler>> = {
  '/get-default-config': { GET: (request) => bare(read(request)) },
  '/get-customer-config': {
    GET: (request) => {
      const defaults = read(request);
      const { dbops } = request.account;
      return bare(overridesOnlyParameter(request.query) ? dbops : { ...defaults, ...dbops });
    },
  },
  '/update-config': { POST: (request) => write(request, ({ value }) => value) },
  '/reset-config': { POST: (request) => write(request, () => null) },
  '': {
    DELETE: (request) => {
      tableOf(request);
      authorize(request.grant, 'core_account_edit');
      request.account.dbops = {};
      return done;
    },
  },
};

/** The path below the module's root; `undefined` for other paths. Older pages have the gateway in front. */
export function dbopsPath(path: string): string | undefined {
  return /^(?:\/gateway)?\/v1\/dbops\/execution-config(|\/.*)$/.exec(path)?.[1];
}

function bare(images: Images): Answer {
  return { status: 200, body: images };
}

const done: Answer = { status: 200, body: undefined };

function read(request: ApiRequest): Images {
  const table = tableOf(request);
  authorize(request.grant, 'core_account_view');
  return table;
}

function write(request: ApiRequest, valueOf: (operation: Operation) => string | null): Answer {
  const table = tableOf(request);
  const requested = operations(request.body);
  authorize(request.grant, 'core_account_edit');
  const overrides = { ...request.account.dbops };
  for (const operation of requested) {
    const { field } = operation;
    if (!Object.hasOwn(table, field)) throw refused(`Field ${field} does not exist`);
    const value = valueOf(operation);
    if (value === null) delete overrides[field];
    else overrides[field] = value;
  }
  request.account.dbops = overrides;
  return done;
}

/** The default images. Requires the header that carries the account. */
function tableOf({ headers, defaults }: ApiRequest): Images {
  if (!defaults.dbops) throw frameworkError(404, 'HTTP 404 Not Found');
  if (headers['harness-account'] === undefined) throw refused('Harness-Account is required');
  return defaults.dbops;
}

function refused(message: string): ApiError {
  return new ApiError({ status: 400, body: { message } });
}
