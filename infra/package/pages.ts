import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { root } from './root.ts';

/** The files of each example. */
const exampleFiles = ['app.ts', 'cdk.json', 'package.json'];

/**
 * Writes the pages and the examples to `outdir`: the command's messages name pages, and a machine without the internet has
 * no others. The changelog is also where tools look for it. Links to sources, and pictures, which the package lacks, become text.
 */
export async function writePages(outdir: string): Promise<void> {
  const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  const pages = ['README.md', ...docs];
  const copies = [...pages.map((page) => [page, page]), ['docs/changelog.md', 'CHANGELOG.md']] as [string, string][];
  await mkdir(join(outdir, 'docs'), { recursive: true });
  // Only what git would have, should somebody have installed or synthesized one of them.
  const examples = (await readdir(join(root, 'docs/examples'))).flatMap((name) =>
    exampleFiles.map((file) => `docs/examples/${name}/${file}`),
  );
  await Promise.all(examples.map((path) => cp(join(root, path), join(outdir, path))));
  const targets = [...pages, ...examples];
  await Promise.all(
    copies.map(async ([page, copy]) => {
      const text = await readFile(join(root, page), 'utf8');
      await writeFile(join(outdir, copy), withLinksTo(targets, text, page, copy));
    }),
  );
}

/** Returns a page with the texts of its pictures in their place. */
function withoutPictures(page: string): string {
  return page
    .replaceAll(/<picture>[^]*?\balt="([^"]+)"[^]*?<\/picture>/g, (_, text) => `_${text}_`)
    .replaceAll(/!\[([^\]]+)\]\([^)]+\)/g, (_, text) => `_${text}_`);
}

/** Returns the text of a page as `copy` has it, with links to `targets` only. Links into the internet stay. */
function withLinksTo(targets: readonly string[], text: string, page: string, copy: string): string {
  return withoutPictures(text).replaceAll(
    /\[([^\][]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)/g,
    (_, label, target, anchor = '') => {
      const found = posix.join(dirname(page), String(target));
      return targets.includes(found) ? `[${label}](${posix.relative(dirname(copy), found)}${anchor})` : String(label);
    },
  );
}
