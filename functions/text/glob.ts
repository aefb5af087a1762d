/** The maximum length of a glob in characters. `nameLimit` is the maximum length of a name that a glob matches. */
export const globLimit = 256;
const nameLimit = 1_024;

type Takes = (character: string) => boolean;

/** An element of a glob: one character, any number of characters, or one of several branches. */
type Part = { one: Takes } | { many: Takes } | { either: Part[][] };

/** A state of a glob's automaton: the next state for a character, and the states reached without one. */
interface State {
  takes?: Takes;
  to: number;
  skips: number[];
}

const any: Takes = () => true;
const inSegment: Takes = (character) => character !== '/';
const exactly = (wanted: string): Part => ({ one: (character) => character === wanted });

/**
 * Returns a function that tests whether a name matches one of the globs. They support `*` and `?` (no slash), `**` as a
 * whole component (any number of components), `[a-z]`, `[!a-z]`, `{a,b}`, and `\` to escape a character.
 *
 * Follows all alternatives at once (Thompson, "Regular Expression Search Algorithm", 1968), so the time is at most
 * proportional to the length of the name times the length of the glob.
 *
 * @throws {TypeError} for text that is not a valid glob.
 */
export function globMatcher(globs: readonly string[]): (name: string) => boolean {
  const matchers = globs.map(compile);
  return (name) => name.length <= nameLimit && matchers.some((matches) => matches(name));
}

/** Tests whether `globMatcher` accepts the text. */
export function isGlob(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

function compile(glob: string): (name: string) => boolean {
  const states: State[] = [{ to: 0, skips: [] }];
  const start = place(parse(glob), 0);

  return (name) => {
    let current = reach([start]);
    for (const character of name) {
      current = reach([...current].flatMap((index) => (states[index]?.takes?.(character) ? states[index].to : [])));
      if (current.size === 0) return false;
    }
    return current.has(0);
  };

  /** Adds states for the parts, the last of which leads to `next`. Returns the index of the first. */
  function place(parts: readonly Part[], next: number): number {
    return parts.reduceRight((to, part) => {
      const index = states.length;
      if ('one' in part) states.push({ takes: part.one, to, skips: [] });
      else if ('many' in part) states.push({ takes: part.many, to: index, skips: [to] });
      else {
        const state: State = { to: index, skips: [] };
        states.push(state);
        state.skips = part.either.map((branch) => place(branch, to));
      }
      return index;
    }, next);
  }

  /** Adds the states that are reached without a character. */
  function reach(from: readonly number[]): Set<number> {
    const reached = new Set(from);
    for (const index of reached) for (const skip of states[index]?.skips ?? []) reached.add(skip);
    return reached;
  }
}

function parse(glob: string): Part[] {
  if (glob.length > globLimit) throw new TypeError('the glob is too long');
  let at = 0;
  const parts = sequence('');
  if (at < glob.length) throw new TypeError(`unexpected "${glob[at]}"`);
  return parts;

  /** Reads parts until one of the characters in `ends`. */
  function sequence(ends: string): Part[] {
    const found: Part[] = [];
    while (at < glob.length && !ends.includes(glob.charAt(at))) found.push(...part());
    return found;
  }

  function part(): Part[] {
    const character = glob.charAt(at++);
    switch (character) {
      case '*':
        return stars();
      case '?':
        return [{ one: inSegment }];
      case '[':
        return [{ one: set() }];
      case '{':
        return [{ either: branches() }];
      case '/':
        // "a/**" also matches "a".
        if (glob.startsWith('**', at) && at + 2 === glob.length) {
          at += 2;
          return [{ either: [[], [exactly('/'), { many: any }]] }];
        }
        return [exactly('/')];
      case '\\':
        if (at === glob.length) throw new TypeError('nothing follows "\\"');
        return [exactly(glob.charAt(at++))];
      case '(':
      case ')':
      case '|':
      case ']':
      case '}':
        throw new TypeError(`unexpected "${character}"`);
      default:
        return [exactly(character)];
    }
  }

  function stars(): Part[] {
    const begins = at === 1 || glob.charAt(at - 2) === '/';
    let count = 1;
    for (; glob.charAt(at) === '*'; at++) count++;
    if (count !== 2 || !begins) return [{ many: inSegment }];
    if (at === glob.length) return [{ many: any }];
    if (glob.charAt(at) !== '/') return [{ many: inSegment }];
    at++;
    // "**/a" also matches "a".
    return [{ either: [[], [{ many: any }, exactly('/')]] }];
  }

  function set(): Takes {
    const negated = glob.charAt(at) === '!' || glob.charAt(at) === '^';
    if (negated) at++;
    const end = glob.indexOf(']', at + 1);
    if (end === -1) throw new TypeError('"[" is not closed');
    const characters = glob.slice(at, end);
    at = end + 1;
    const ranges = [...characters.matchAll(/(.)-(.)|(.)/gs)].map(([, from, to, single]) => [
      from ?? single ?? '',
      to ?? single ?? '',
    ]);
    return (character) =>
      character !== '/' && ranges.some(([from = '', to = '']) => from <= character && character <= to) !== negated;
  }

  function branches(): Part[][] {
    const found = [sequence(',}')];
    for (; glob.charAt(at) === ','; found.push(sequence(',}'))) at++;
    if (glob.charAt(at) !== '}') throw new TypeError('"{" is not closed');
    at++;
    return found;
  }
}
