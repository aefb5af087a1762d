/**
 * Returns what a changelog says of a version: the text below its heading, `## 1.2.3` or `## Unreleased (1.2.3)`.
 *
 * @throws {Error} if it has no such heading.
 */
export function changelogSection(changelog: string, version: string): string {
  const headings = new Set([version, `Unreleased (${version})`]);
  const section = changelog.split(/^## /m).find((text) => headings.has(text.split('\n', 1)[0]?.trim() ?? ''));
  if (section === undefined) throw new Error(`docs/changelog.md has no section of ${version}: add "## ${version}"`);
  return `${section.slice(section.indexOf('\n')).trim()}\n`;
}
