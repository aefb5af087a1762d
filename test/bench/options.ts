import { InvalidArgumentError } from 'commander';

/** Parses values between commas. */
export function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

/** Parses names between commas. Throws `InvalidArgumentError` for one that is unknown. */
export function chosen<T extends string>(text: string, known: readonly T[]): T[] {
  const names = list(text);
  const unknown = names.filter((name) => !(known as readonly string[]).includes(name));
  if (unknown.length > 0 || names.length === 0) throw new InvalidArgumentError(`Expected some of ${known.join(', ')}.`);
  return names as T[];
}

/** Parses a number that is not negative. */
export function positive(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 0 && text.trim() !== '') return number;
  throw new InvalidArgumentError('Expected a number.');
}

/** Parses a whole number from 1 to 99. */
export function count(text: string): number {
  const number = positive(text);
  if (Number.isInteger(number) && number > 0 && number <= 99) return number;
  throw new InvalidArgumentError('Expected a whole number from 1 to 99.');
}
