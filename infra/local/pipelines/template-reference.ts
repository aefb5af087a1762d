/** A reference to a template of Harness. Without a label, Harness takes the stable version. */
export interface TemplateReference {
  templateRef: string;
  versionLabel?: string;
}

const pattern = /^(?<ref>(?:account\.|org\.)?[A-Za-z_][A-Za-z0-9_$]{0,127})(?:[:@](?<label>[0-9A-Za-z][\w.-]{0,63}))?$/;

/** Returns whether a text names a template of Harness: `x`, `org.x` or `account.x`, each with or without `:label`. */
export function isTemplateReference(text: string): boolean {
  return pattern.test(text);
}

/** Parses text that `isTemplateReference` accepts. */
export function parseTemplateReference(text: string): TemplateReference {
  const { ref = text, label } = pattern.exec(text)?.groups ?? {};
  return { templateRef: ref, ...(label !== undefined && { versionLabel: label }) };
}
