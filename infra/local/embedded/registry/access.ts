/** A thing a request needs, in the terms of a token's scope (distribution, docs/spec/auth/scope). */
export interface Access {
  type: 'repository' | 'registry';
  name: string;
  action: string;
}

/** `repository:a/b:pull,push` as its parts; what is no scope gives none. */
export function parseScope(scope: string): Access[] {
  const [, type, name = '', actions = ''] = /^(repository|registry)(?:\([^)]*\))?:(.+):([^:]*)$/.exec(scope) ?? [];
  if (type !== 'repository' && type !== 'registry') return [];
  const separate = actions.split(',').filter((action) => action !== '');
  return separate.map((action) => ({ type, name, action }));
}

/** The scopes, one per resource, separated by spaces. */
export function formatScope(accesses: readonly Access[]): string {
  const byResource = Map.groupBy(accesses, ({ type, name }) => `${type}:${name}`);
  return [...byResource].map(([resource, list]) => `${resource}:${list.map((a) => a.action).join(',')}`).join(' ');
}

/** Returns the access that a request needs; none for the ping. */
export function neededAccess(method: string, name: string | undefined, query: URLSearchParams): Access[] {
  if (name === undefined) return [];
  const actions = { GET: ['pull'], HEAD: ['pull'], DELETE: ['delete'] }[method] ?? ['pull', 'push'];
  const needed = actions.map((action): Access => ({ type: 'repository', name, action }));
  const from = query.get('from');
  // As distribution does: a mount needs pull where the blob comes from.
  if (method === 'POST' && from !== null && from !== name) {
    needed.push({ type: 'repository', name: from, action: 'pull' });
  }
  return needed;
}

export const catalogAccess: Access = { type: 'registry', name: 'catalog', action: '*' };

export function covers(granted: readonly Access[], needed: readonly Access[]): boolean {
  return needed.every((need) =>
    granted.some(
      ({ type, name, action }) =>
        type === need.type && name === need.name && (action === need.action || action === '*'),
    ),
  );
}
