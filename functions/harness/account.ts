/**
 * The account a key belongs to: personal access tokens read `pat.ACCOUNT.TOKEN.SECRET`, service account tokens
 * `sat.ACCOUNT.TOKEN.SECRET`. `undefined` for keys of another form, such as those made before accounts were in them.
 */
export function accountIdFromKey(apiKey: string): string | undefined {
  return /^[ps]at\.([\w-]+)\.[^.]+\.[^.]+$/.exec(apiKey.trim())?.[1];
}
