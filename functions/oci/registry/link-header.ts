/**
 * The target of the first link with relation `next` in a `Link` header (RFC 8288, 3): `<target>; rel="next", …`. Reads
 * the header once, from its beginning to its end; what is no link ends it.
 */
export function nextLink(header: string | undefined): string | undefined {
  let rest = (header ?? '').trimStart();
  while (rest.startsWith('<')) {
    const end = rest.indexOf('>');
    if (end === -1) return undefined;
    const target = rest.slice(1, end);
    const length = lengthOfParameters(rest, end + 1);
    if (isNext(rest.slice(end + 1, length))) return target;
    rest = rest.slice(length + 1).trimStart();
  }
  return undefined;
}

/** Returns the position of the comma after the parameters of a link. Commas in quotes are part of a value. */
function lengthOfParameters(text: string, from: number): number {
  let quoted = false;
  for (let at = from; at < text.length; at++) {
    const character = text.charAt(at);
    if (quoted && character === '\\') at++;
    else if (character === '"') quoted = !quoted;
    else if (character === ',' && !quoted) return at;
  }
  return text.length;
}

/** Relations are a list of case-insensitive words. */
function isNext(parameters: string): boolean {
  return parameters.split(';').some((parameter) => {
    const [name = '', value = ''] = parameter.split('=', 2).map((part) => part.trim().toLowerCase());
    return name === 'rel' && value.replaceAll('"', '').split(' ').includes('next');
  });
}
