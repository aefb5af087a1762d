import { setTimeout as sleep } from 'node:timers/promises';
import { authorize } from './authentication.ts';
import { infraParameter, operations, overridesOnlyParameter, required, type Operation } from './parameters.ts';
import { isWritable, type Quirks } from './quirks.ts';
import type { ApiRequest } from './request.ts';
import { badRequest, success, type Answer } from './responses.ts';
import type { Images, Infra, ModuleName } from './state.ts';

export interface ConfigRequest extends ApiRequest {
  module: ModuleName;
}

export function getDefaultConfig(request: ConfigRequest): Answer {
  const infra = infraParameter(request.query);
  authorize(request.grant, 'core_account_view');
  return success(supported(request, infra).table);
}

export function getCustomerConfig(request: ConfigRequest): Answer {
  const { module, query, account, quirks } = request;
  required(query, 'accountIdentifier');
  const parsed = infraParameter(query);
  authorize(request.grant, 'core_account_view');
  const { infra, table } = supported(request, parsed);
  const overrides = takeOldCopy(quirks) ?? account[module][infra];
  if (!overridesOnlyParameter(query)) return success({ ...table, ...overlaid(overrides, quirks) });
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
  const { module, query, account, quirks } = request;
  required(query, 'accountIdentifier');
  const parsed = infraParameter(query);
  const requested = operations(request.body);
  authorize(request.grant, 'core_account_edit');
  const { infra, table } = supported(request, parsed);

  const document = structuredClone(account[module]);
  for (const operation of requested) {
    const { field } = operation;
    if (!Object.hasOwn(table, field) || !isWritable(quirks, module, infra, field)) {
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

function supported({ module, defaults, quirks }: ConfigRequest, infra: string): { infra: Infra; table: Images } {
  const table = infra === 'K8' || infra === 'VM' ? defaults[module][infra] : undefined;
  if (table) return { infra: infra as Infra, table };
  throw badRequest(quirks.unknownFieldStatus, `Config not supported for infra type: ${infra}`);
}
