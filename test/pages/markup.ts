import { HtmlValidate } from 'html-validate';

const validator = new HtmlValidate({
  extends: ['html-validate:recommended'],
  elements: ['html5'],
  rules: {
    // The renderer closes every void element, which HTML allows.
    'void-style': 'off',
    // Text is escaped where it must be; a bare `>` is text.
    'no-raw-characters': 'off',
    'no-inline-style': 'error',
    'no-dup-id': 'error',
    'id-pattern': 'error',
    'class-pattern': 'error',
    'prefer-native-element': 'error',
    'require-csp-nonce': 'off',
    'require-sri': 'error',
  },
});

/** Returns the problems of a page: faulty markup, ids that are there twice, and what the policy would refuse. */
export async function problemsOf(page: string): Promise<string[]> {
  const { results } = await validator.validateString(page);
  const problems = results.flatMap(({ messages }) => messages);
  const handlers = [...page.replaceAll(/<(style|script)[\s\S]*?<\/\1>/g, '').matchAll(/<[^>]*\son\w+=[^>]*>/g)];
  return [
    ...problems.map(({ ruleId, message, line, column }) => `${line}:${column} ${ruleId}: ${message}`),
    ...handlers.map(([tag]) => `a handler: ${tag}`),
  ];
}

/** Returns the text of a page as a reader without style sees it. */
export function textOf(page: string): string {
  return page
    .replaceAll(/<(style|script|title|desc)[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<br\/>|<\/(?:summary|button|label|p|td|th|li|dd|dt|h\d|tr|div|pre)>/g, ' ')
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ');
}
