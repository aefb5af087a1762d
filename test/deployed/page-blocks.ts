import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns the blocks of shell commands on a page, by the heading above them. `page` is relative to `docs/`. */
export function blocksOf(page: string): ReadonlyMap<string, readonly string[]> {
  const sections = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8').split(/^#{1,3} /m);
  const blocks = sections.slice(1).map((section) => {
    const [heading = '', ...body] = section.split('\n');
    const found = [...body.join('\n').matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)];
    const dedented = found.map(([, indent = '', commands = '']) =>
      commands.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    );
    return [heading, dedented] as const;
  });
  return new Map(blocks.filter(([, commands]) => commands.length > 0));
}
