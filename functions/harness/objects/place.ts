import type { Problem } from '../../errors.ts';
import { isObject } from '../../text/json.ts';

/** A value in a document with its path, at which problems are noted. */
export class Place {
  readonly value: unknown;
  readonly path: string;
  readonly #problems: Problem[];

  constructor(value: unknown, path: string, problems: Problem[]) {
    this.value = value;
    this.path = path;
    this.#problems = problems;
  }

  get exists(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  /** The value as a message shows it. */
  get shown(): string {
    if (!this.exists) return 'nothing';
    if (typeof this.value === 'object') return Array.isArray(this.value) ? 'a list' : 'a map';
    return JSON.stringify(this.value);
  }

  at(key: string | number): Place {
    const step = typeof key === 'number' ? `[${key}]` : `.${key}`;
    const { value } = this;
    const inner: unknown = Array.isArray(value)
      ? value[Number(key)]
      : isObject(value) && Object.hasOwn(value, key)
        ? value[key]
        : undefined;
    return new Place(inner, this.path + step, this.#problems);
  }

  /** The items of a list; none for anything else. */
  items(): Place[] {
    return Array.isArray(this.value) ? this.value.map((_, index) => this.at(index)) : [];
  }

  /** Returns the same place with what its text contains. */
  inside(value: unknown): Place {
    return new Place(value, this.path, this.#problems);
  }

  problem(found: string, allowed: string): void {
    this.#problems.push({ path: this.path, found, allowed });
  }

  /** Notes every key that is not in a list, which is separated by blanks. */
  only(keys: string): void {
    if (!isObject(this.value)) return;
    const known = new Set(keys.split(' '));
    for (const key of Object.keys(this.value))
      if (!known.has(key)) this.at(key).problem('an unknown key', `one of ${[...known].join(', ')}`);
  }

  /** Requires a text under a key. */
  text(key: string): void {
    const { value, shown } = this.at(key);
    if (typeof value !== 'string' || value.trim() === '') this.at(key).problem(shown, 'a text');
  }

  matching(key: string, pattern: RegExp, allowed: string): void {
    const { value, shown } = this.at(key);
    if (typeof value !== 'string' || !pattern.test(value)) this.at(key).problem(shown, allowed);
  }

  oneOf(key: string, values: readonly string[]): void {
    const { value, shown } = this.at(key);
    if (typeof value !== 'string' || !values.includes(value))
      this.at(key).problem(shown, `one of ${values.join(', ')}`);
  }

  /** Requires an identifier under a key. Those of secrets alone may contain hyphens. */
  identifier(key: string, hyphens = false): void {
    const pattern = hyphens ? /^[a-zA-Z_][\w$-]{0,127}$/ : /^[a-zA-Z_][\w$]{0,127}$/;
    this.matching(key, pattern, 'a letter or "_", then at most 127 letters, digits and "_"');
  }
}
