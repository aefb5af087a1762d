import { createHash } from 'node:crypto';
import { renderToString } from 'preact-render-to-string';
import { type Child, html } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

/** Allows our style and our script by their hashes, and nothing else: no request, no inline style, no handler. */
const policy = [
  "default-src 'none'",
  `style-src ${hashOf(style)}`,
  `script-src ${hashOf(script)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** A page without an icon makes browsers request one. */
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%232f6fce'/%3E%3Cpath d='M4 4h3v3H4zm5 0h3v3H9zM4 9h3v3H4zm5 0h3v3H9z' fill='%23fff'/%3E%3C/svg%3E";

/**
 * Renders a page that is complete in one file. This is the only module that writes markup without escaping it, and
 * writes only constants of this folder so.
 *
 * @param title a text of ours
 */
export function document(title: string, body: Child): string {
  const page = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content=${policy} />
      <meta name="referrer" content="no-referrer" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title}</title>
      <link rel="icon" href=${icon} />
      <style dangerouslySetInnerHTML=${{ __html: style }}></style>
    </head>
    <body>
      <a class="skip" href="#main">Skip to the content</a>
      ${body}
      <script dangerouslySetInnerHTML=${{ __html: script }}></script>
    </body>
  </html>`;
  return `<!DOCTYPE html>\n${[page]
    .flat()
    .map((node) => renderToString(node))
    .join('')}\n`;
}
