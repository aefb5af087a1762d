import { format } from 'prettier';
import { acceptancesIn } from '../../template/acceptances.ts';
import { configurations } from '../../template/configurations.ts';

/** Path of the page in the repository. */
export const securityPath = 'docs/security.md';

/** Returns the page on security with the accepted findings of all configurations at its end, by their reasons. */
export async function securityPage(page: string): Promise<string> {
  const [text = ''] = page.split('<!-- accepted findings -->');
  const rules = new Map<string, Set<string>>();
  for (const make of Object.values(configurations))
    for (const { rule, reason } of acceptancesIn(make().stack))
      // The brackets of cdk-nag hold the resource.
      rules.set(reason, (rules.get(reason) ?? new Set()).add(rule.replace(/\[.*/, '')));
  const rows = [...rules].map(([reason, found]) => `| ${[...found].toSorted().join('<br>')} | ${reason} |`).toSorted();
  const table = ['| finding | accepted, because |', '| --- | --- |', ...rows].join('\n');
  return format(`${text}<!-- accepted findings -->\n\n${table}\n`, {
    parser: 'markdown',
    printWidth: 120,
    singleQuote: true,
  });
}
