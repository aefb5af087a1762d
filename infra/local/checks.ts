import type { Check } from '../../functions/state/documents/checks.ts';
import { paint, type Screen } from './screen.ts';
import { shown, wrap } from './table.ts';

const colours = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const;
const statusWidth = 'warning'.length;
const indent = ' '.repeat(statusWidth + 2);

/** Renders a line for each check, with the cure below it. */
export function checkList(checks: readonly Check[], screen: Screen): string {
  const width = screen.columns && screen.columns - indent.length;
  return checks
    .flatMap(({ name, status, message, cure }) => {
      const text = [shown(`${name}: ${message}`), ...(cure === undefined ? [] : [shown(`Cure: ${cure}`)])];
      const lines = text.flatMap((line) => wrap(line, width).split('\n'));
      const mark = paint(screen, colours[status], status) + ' '.repeat(statusWidth - status.length + 2);
      return lines.map((line, index) => (index === 0 ? mark : indent) + line);
    })
    .join('\n');
}
