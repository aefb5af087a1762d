import { setTimeout as sleep } from 'node:timers/promises';
import { authorize, type KeyGrant } from './authentication.ts';
import type { Defaults } from './defaults.ts';
import { infraParameter, operations, overridesOnlyParameter, required, type Operation } from './parameters.ts';
import { isWritable, type Quirks } from './quirks.ts';
import { badRequest, success, type Answer } from './responses.ts';
import type { AccountState, Images, Infra, ModuleName } from './state.ts';

/** A request that has been authenticated and routed. */
export interface ConfigRequest {
  module: ModuleName;
  grant: KeyGrant;
  query: URLSearchParams;
  body: string;
  account: AccountState;
  defaults: Defaults;
  quirks: Quirks;
}

export function getDefaultConfig(request: ConfigRequest): Answer {
  const infra = infraParameter(request.query);
  authorize(request.grant, 'core_account_view');
  return success(request.defaults[request.module][supported(request, infra)]);
}

export function getCustomerConfig(request: ConfigRequest): Answer {
  const { module, query, account, defaults, quirks } = request;
  required(query, 'accountIdentifier');
  const parsed = infraParameter(query);
  authorize(request.grant, 'core_account_view');
  const infra = supported(request, parsed);
  const overrides = takeOldCopy(quirks) ?? account[module][infra];
  if (!overridesOnlyParameter(query)) return success({ ...defaults[module][infra], ...overlaid(overrides, quirks) });
  return success(quirks.dataNull && Object.keys(overrides).length === 0 ? null : overrides);
}

function takeOldCopy({ oldCopy }: Quirks): Images | undefined {
  if (!oldCopy || oldCopy.readings === 0) return undefined;
  oldCopy.readings--;
  return oldCopy.overrides;
}

function overlaid(overrides: Images, { overlaySkipsSupplyChain }: Quirks): Images {
  if (!overlaySkipsSupplyChain) return overrides;
  return Object.fromEntries(Object.entries(overrides).filter(([field]) => !/^(ssca|provenance|slsa)/.test(field)));
}

export function updateConfig(request: ConfigRequest): Promise<Answer> {
  return write(request, (operation) => operation.value);
}

export function resetConfig(request: ConfigRequest): Promise<Answer> {
  return write(request, () => null);
}

/** Reads the account's document, applies every operation, saves once: an unknown field leaves everything as it was. */
async function write(request: ConfigRequest, valueOf: (operation: Operation) => string | null): Promise<Answer> {
  const { module, query, account, defaults, quirks } = request;
  required(query, 'accountIdentifier');
  const parsed = infraParameter(query);
  const requested = operations(request.body);
  authorize(request.grant, 'core_account_edit');
  const infra = supported(request, parsed);

  const document = structuredClone(account[module]);
  for (const operation of requested) {
    const { field } = operation;
    if (!Object.hasOwn(defaults[module][infra], field) || !isWritable(quirks, module, infra, field)) {
      throw badRequest(quirks.unknownFieldStatus, `Field ${field} does not exist for infra type: ${infra}`);
    }
    const value = valueOf(operation);
    if (value === null) delete document[infra][field];
    else document[infra][field] = value;
  }
  if (quirks.writesAnswerFalse.includes(module)) return success(false);
  if (quirks.loseWrites > 0) {
    quirks.loseWrites--;
    return success(true);
  }
  if (quirks.lostUpdateRaceMs > 0) await sleep(quirks.lostUpdateRaceMs);
  account[module] = document;
  return success(true);
}

/** Removes the whole document, K8 and VM. */
export function deleteConfig({ module, grant, query, account }: ConfigRequest): Answer {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_account_edit');
  account[module] = { K8: {}, VM: {} };
  return success(true);
}

function supported({ module, quirks }: ConfigRequest, infra: string): Infra {
  if (infra === 'K8' || (infra === 'VM' && module === 'ci')) return infra;
  throw badRequest(quirks.unknownFieldStatus, `Config not supported for infra type: ${infra}`);
}
