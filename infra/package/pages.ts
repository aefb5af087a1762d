import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { root } from './root.ts';

/**
 * Writes the pages to `outdir`: the command's messages name them, and a machine without the internet has no others. The
 * changelog is also where tools look for it. Links to sources, which the package lacks, become text.
 */
export async function writePages(outdir: string): Promise<void> {
  const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  const pages = ['README.md', ...docs];
  const copies = [...pages.map((page) => [page, page]), ['docs/changelog.md', 'CHANGELOG.md']] as [string, string][];
  await mkdir(join(outdir, 'docs'), { recursive: true });
  await Promise.all(
    copies.map(async ([page, copy]) => {
      const text = await readFile(join(root, page), 'utf8');
      await writeFile(join(outdir, copy), withLinksTo(pages, text, page, copy));
    }),
  );
}

/** Returns the text of a page as `copy` has it, with links to `pages` only. Links into the internet stay. */
function withLinksTo(pages: readonly string[], text: string, page: string, copy: string): string {
  return text.replaceAll(/\[([^\][]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)/g, (_, label, target, anchor = '') => {
    const found = posix.join(dirname(page), String(target));
    return pages.includes(found) ? `[${label}](${posix.relative(dirname(copy), found)}${anchor})` : String(label);
  });
}
