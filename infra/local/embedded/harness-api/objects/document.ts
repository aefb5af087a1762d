import { parseDocument } from 'yaml';
import { error, invalid } from '../responses.ts';
import { isInScope, type AccountState, type ObjectScope, type TextDocument, type TextKind } from '../state.ts';

export type Members = Record<string, unknown>;

/** The services' error for YAML that does not have the form of its kind. */
export function schemaError(reason: string): Error {
  return error(400, 'SCHEMA_VALIDATION_FAILED', `Invalid yaml: ${reason}`);
}

/** Reads the YAML of a body: a map below the name of its kind. */
export function parseBody(body: string, kind: TextKind): Members {
  const document = parseDocument(body, { logLevel: 'silent' });
  const [flaw] = document.errors;
  if (flaw || body.trim() === '')
    throw invalid(`Invalid yaml in ${kind}: ${flaw?.message.split('\n')[0] ?? 'it is empty'}`);
  const root = membersOf(document.toJS());
  const members = root && membersOf(root[kind]);
  if (!members) throw schemaError(`$.${kind}: is missing but it is required`);
  return members;
}

export function membersOf(value: unknown): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : undefined;
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}

/** Requires a name, an identifier, and a scope that agrees with the query where the YAML names one. */
export function checkIdentity(members: Members, kind: string, scope: ObjectScope): string {
  const identifier = textOf(members['identifier']);
  if (identifier === undefined || !/^[a-zA-Z_][\w$]{0,127}$/.test(identifier))
    throw schemaError(`$.${kind}.identifier: does not match the regex pattern ^[a-zA-Z_][0-9a-zA-Z_$]{0,127}$`);
  const name = textOf(members['name']);
  if (name === undefined || !/^[a-zA-Z_0-9-.][-0-9a-zA-Z_\s.]{0,127}$/.test(name))
    throw schemaError(`$.${kind}.name: does not match the regex pattern`);
  for (const [key, expected] of Object.entries({
    orgIdentifier: scope.orgIdentifier,
    projectIdentifier: scope.projectIdentifier,
  })) {
    const given = textOf(members[key]);
    if (given !== undefined && given !== expected) throw mismatch(key, expected, given);
  }
  return identifier;
}

/** The services' error for a path, a query and a YAML that disagree. */
export function mismatch(what: string, expected: string | undefined, given: string): Error {
  return invalid(`Expected ${what} in YAML to be [${expected ?? 'null'}], but was [${given}]`);
}

export interface TextAddress extends ObjectScope {
  kind: TextKind;
  identifier: string;
  pipelineIdentifier?: string | undefined;
  versionLabel?: string | undefined;
}

export function findText(account: AccountState, address: TextAddress): TextDocument | undefined {
  return account.texts.find(
    (text) =>
      text.kind === address.kind &&
      text.identifier === address.identifier &&
      isInScope(text, address) &&
      (address.pipelineIdentifier === undefined || text.pipelineIdentifier === address.pipelineIdentifier) &&
      (address.versionLabel === undefined || text.versionLabel === address.versionLabel),
  );
}

/** Stores a new document, or the next version of one. */
export function store(
  account: AccountState,
  document: Omit<TextDocument, 'version'>,
  before?: TextDocument,
): TextDocument {
  const stored = { ...document, version: (before?.version ?? -1) + 1 };
  if (before) account.texts[account.texts.indexOf(before)] = stored;
  else account.texts.push(stored);
  return stored;
}

export function forget(account: AccountState, ...documents: TextDocument[]): void {
  account.texts = account.texts.filter((text) => !documents.includes(text));
}

/** Compares a bare number in `If-Match` with the version. The services ignore anything else, quoted numbers too. */
export function checkVersion(ifMatch: string | undefined, document: TextDocument): void {
  if (ifMatch === undefined || !/^\d+$/.test(ifMatch) || Number(ifMatch) === document.version) return;
  const message = `The ${document.kind} [${document.identifier}] has been updated by another user`;
  throw error(400, 'OPTIMISTIC_LOCKING_EXCEPTION', message);
}
