/** Fields that only Windows pods use, behind a feature flag of Harness. Their images are ten times as large. */
const windowsRootlessFields = new Set(['addonTagRootless', 'liteEngineTagRootless']);

/** Returns whether only Windows pods use a field, and only behind a feature flag. */
export function isWindowsOnly(field: string): boolean {
  return windowsRootlessFields.has(field);
}
