import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import type { DataValidationCxt } from 'ajv/dist/types/index.js';

/** Harness's JSON schemas lie beside the checkout, where they are there at all: they may not be redistributed. */
const folder = join(import.meta.dirname, '../../../../shared/data/harness-schema');
const compiled = new Map<string, ValidateFunction>();

/** Kinds of objects with a schema here. Input sets have none. */
export const kindsWithSchema = ['pipeline', 'trigger', 'template', 'connector', 'secret'].filter((kind) =>
  existsSync(fileOf(kind)),
);

/**
 * Validates the parsed YAML of an object against Harness's own schema, and returns the errors. The `pipeline` part of an input
 * set is validated as a pipeline. Returns no error for a kind without a schema.
 */
export function schemaErrors(document: Readonly<Record<string, unknown>>): string[] {
  const [root = ''] = Object.keys(document);
  const [kind, value] = root === 'inputSet' ? ['pipeline', document['inputSet']] : [root, document];
  if (!kindsWithSchema.includes(kind)) return [];
  const validate = compiled.get(kind) ?? compile(kind);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function compile(kind: string): ValidateFunction {
  const schema = adapted(JSON.parse(readFileSync(fileOf(kind), 'utf8'))) as object;
  const lenient = { strict: false, validateSchema: false, validateFormats: false, logger: false } as const;
  const ajv = new Ajv({ ...lenient, code: { optimize: false } });
  ajv.addKeyword({ keyword: reference, errors: 'full', validate: follow });
  const validate = ajv.compile(schema);
  compiled.set(kind, validate);
  return validate;

  /** Validates a value by the schema at `pointer`, which Ajv compiles once. */
  function follow(pointer: string, value: unknown, _?: unknown, context?: DataValidationCxt): boolean {
    const target = pointer
      .split('/')
      .slice(1)
      .reduce<unknown>((within, name) => (within as Record<string, unknown>)[name], schema);
    const referred = ajv.compile(target as object);
    const valid = referred(value, context);
    Object.assign(follow, { errors: referred.errors });
    return valid;
  }
}

/** Stands for `$ref`. Ajv compiles what a `$ref` refers to before it validates: of these schemas, thousands of parts for a few. */
const reference = 'refersTo';

/** Replaces references, and what Ajv refuses: a list of values without a value, and what is `null`. */
function adapted(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(adapted);
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).flatMap(([keyword, value]: [string, unknown]): [string, unknown][] => {
    if (keyword === 'enum' && Array.isArray(value) && value.length === 0) return [['not', {}]];
    if (keyword === '$ref' && typeof value === 'string') return [[reference, value]];
    return value === null ? [] : [[keyword, adapted(value)]];
  });
  return Object.fromEntries(kept);
}

function fileOf(kind: string): string {
  return join(folder, `${kind}.json`);
}
