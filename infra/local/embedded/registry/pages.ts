import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';

export interface Page<T> {
  items: T[];
  headers: Record<string, string>;
}

/**
 * The part of an ordered list that the request's `n` and `last` ask for (distribution-spec, "Content Discovery").
 * Throws 400 for an `n` that is no number.
 */
export function page<T>(exchange: Exchange, all: readonly T[], key: (item: T) => string, maxSize = Infinity): Page<T> {
  const query = exchange.url.searchParams;
  const n = query.get('n');
  if (n !== null && !/^\d{1,9}$/.test(n)) throw new RegistryError(400, 'PAGINATION_NUMBER_INVALID', 'invalid n');
  const last = query.get('last') ?? '';
  const rest = last === '' ? all : all.filter((item) => key(item) > last);
  const size = Math.min(n === null ? Infinity : Number(n), maxSize);
  const items = rest.slice(0, size);
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  const next = new URLSearchParams(query);
  next.set('n', String(size));
  next.set('last', key(end));
  return { items, headers: { link: `<${exchange.url.pathname}?${next.toString()}>; rel="next"` } };
}
