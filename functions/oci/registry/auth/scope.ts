/** Scope of a token, as in the token specification: `repository:NAME:pull,push`. */
export type Scope = string;

/** The needs of a request. */
export interface Access {
  readonly repository: string;
  readonly writes: boolean;
  readonly scopes: readonly Scope[];
}

export function repositoryScope(repository: string, actions: 'pull' | 'pull,push' | 'delete'): Scope {
  return `repository:${repository}:${actions}`;
}
