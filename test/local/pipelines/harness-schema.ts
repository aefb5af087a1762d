import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';

/** Harness's own JSON schemas. They may not be redistributed, so they are beside the repository, or nowhere. */
const folder = join(import.meta.dirname, '../../../../shared/data/harness-schema');

export const hasSchemas = existsSync(folder);

const validators = new Map<string, ValidateFunction>();

/** Returns what Harness's schema finds wrong with a document. There is none for input sets: validates their inputs. */
export function schemaErrors(document: Readonly<Record<string, unknown>>): string[] {
  const [kind = ''] = Object.keys(document);
  if (kind === 'inputSet') return [];
  const validator = validators.get(kind) ?? compile(kind);
  validators.set(kind, validator);
  validator(kind === 'secret' ? withValue(document) : document);
  return (validator.errors ?? []).map(({ instancePath, message = '' }) => `${instancePath} ${message}`);
}

function compile(kind: string): ValidateFunction {
  const text = readFileSync(join(folder, `${kind}.json`), 'utf8');
  const schema = JSON.parse(text, usable) as object;
  return new Ajv({ strict: false, logger: false, inlineRefs: false }).compile(schema);
}

/** Returns a keyword as Ajv takes it. Some keywords of the schemas are `null`, and one is a choice of nothing. */
function usable(key: string, value: unknown): unknown {
  if (value === null) return undefined;
  return key === 'enum' && Array.isArray(value) && value.length === 0 ? ['no value at all'] : value;
}

/** Adds the value that registering adds. */
function withValue(document: Readonly<Record<string, unknown>>): object {
  const { secret } = document as { secret: { spec: object } };
  return { secret: { ...secret, spec: { ...secret.spec, value: 'a-value' } } };
}
