/** A right to be granted by a token, in the token specification's words: `repository:NAME:pull,push`. */
export type Scope = string;

export function repositoryScope(repository: string, actions: 'pull' | 'pull,push' | 'delete'): Scope {
  return `repository:${repository}:${actions}`;
}
