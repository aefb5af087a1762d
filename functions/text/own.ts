/**
 * The value of a record whose keys come from outside. A plain lookup finds what every object inherits, too: a field may
 * be named `constructor`.
 */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
