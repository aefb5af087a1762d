/** Shorter ones are ordinary words, which no message could do without. */
const shortestSecret = 4;
/** From this length on a secret is hidden within a longer word too. */
const distinctLength = 8;
/** Forms that are kept of each kind; credentials and tokens are renewed, and no message repeats one from long ago. */
const mostForms = 500;

/** What secrets look like in text, the newest last: of those that last, and of tokens, which must not push them out. */
const forms = { lasting: new Set<string>(), passing: new Set<string>() };

/**
 * Hides secrets in all messages, logs and reports of this process from now on, in every form in which a server could
 * echo them: as they are, escaped in JSON (once or twice), URL, form or HTML, and in Base64.
 */
export function keepSecret(...secrets: readonly string[]): void {
  keep(forms.lasting, secrets.flatMap(formsOf));
}

/** Hides a token that lasts for some minutes. It holds nothing that would have to be escaped. */
export function keepToken(token: string): void {
  keep(forms.passing, [token, ...base64Of(token)]);
}

function keep(kept: Set<string>, more: readonly string[]): void {
  for (const form of more) {
    if (form.length < shortestSecret) continue;
    // Once more at the end.
    kept.delete(form);
    kept.add(form);
  }
  for (const form of kept) {
    if (kept.size <= mostForms) break;
    kept.delete(form);
  }
}

/** Hides a password, and what `Authorization: Basic` makes of it. */
export function keepPassword(username: string, password: string): void {
  keepSecret(password, ...base64Of(`${username}:${password}`));
}

/** Text without any secret that is kept. */
export function withoutSecrets(text: string): string {
  // The longest first: a secret may be part of another.
  return [...forms.lasting, ...forms.passing]
    .filter((form) => text.includes(form))
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, form) => without(rest, form), text);
}

function without(text: string, form: string): string {
  if (form.length >= distinctLength) return text.replaceAll(form, '***');
  let rest = '';
  let from = 0;
  for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + form.length)) {
    if (isWordPart(text[at - 1]) || isWordPart(text[at + form.length])) continue;
    rest += `${text.slice(from, at)}***`;
    from = at + form.length;
  }
  return rest + text.slice(from);
}

function isWordPart(character: string | undefined): boolean {
  return character !== undefined && /[A-Za-z0-9]/.test(character);
}

function formsOf(secret: string): string[] {
  const plain = [...new Set([secret, secret.trim()])];
  const url = plain.flatMap((text) => {
    const escaped = [encoded(text), new URLSearchParams({ '': text }).toString().slice(1)];
    return [...escaped, ...escaped.map((form) => form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
  });
  const json = plain.map(inJson);
  return [...plain, ...url, ...json, ...json.map(inJson), ...plain.map(inHtml), ...plain.flatMap(base64Of)];
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** A lone surrogate has no form in a URL. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function inHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Without the padding, which may be left out; both alphabets. */
function base64Of(text: string): string[] {
  const bytes = Buffer.from(text);
  return [bytes.toString('base64').replace(/={1,2}$/, ''), bytes.toString('base64url')];
}
