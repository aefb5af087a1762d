import type { Images, Infra, ModuleName } from './state.ts';

/**
 * The images Harness ships, by module and infrastructure. A module without any infrastructure does not exist at this
 * version. IACM and IDP run on Kubernetes only.
 */
export interface Defaults extends Record<ModuleName, Partial<Record<Infra, Images>>> {
  /** Defaults of Database DevOps; absent when this version lacks the module. */
  dbops?: Images;
}

/** Tests whether this version serves a module at all. */
export function isServed(defaults: Defaults, module: ModuleName): boolean {
  return Object.keys(defaults[module]).length > 0;
}

/** Every image that some field names, once. */
export function imagesOf({ ci, iacm, idp, dbops = {} }: Defaults): string[] {
  const tables = [...[ci, iacm, idp].flatMap((module) => Object.values(module)), dbops];
  return [...new Set(tables.flatMap((table) => Object.values(table)))];
}
