/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  scheme: string;
  /** Names in lower case. */
  parameters: Record<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** A scheme, optionally with a `token68` instead of parameters, as Negotiate has it. */
const schemeAt = new RegExp(`\\s*(${token})(?:\\s+[A-Za-z0-9._~+/-]+=*\\s*(?=,|$)|\\s+|\\s*(?=,)|\\s*$)`, 'y');
/** A list may hold empty elements (RFC 9110, 5.6.1.2). */
const emptyAt = /[\s,]*/y;
const parameterAt = new RegExp(`\\s*(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))\\s*(?:,|$)`, 'y');

/** Parses the challenges of the header, up to the first syntax error. */
export function parseChallenges(header = ''): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  while (at < header.length) {
    match(emptyAt);
    const parameter = match(parameterAt);
    const current = challenges.at(-1);
    if (parameter && current) {
      const [, name = '', quoted, plain] = parameter;
      current.parameters[name.toLowerCase()] = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
      continue;
    }
    const scheme = match(schemeAt);
    if (!scheme) break;
    // Any name may be a parameter's.
    challenges.push({
      scheme: (scheme[1] ?? '').toLowerCase(),
      parameters: Object.create(null) as Record<string, string>,
    });
  }
  return challenges;

  function match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found) at = pattern.lastIndex;
    return found;
  }
}
