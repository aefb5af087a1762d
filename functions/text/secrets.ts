/** The minimum length of a secret that is redacted. Shorter ones are ordinary words. */
const shortestSecret = 4;
/** The minimum length at which a secret is also redacted inside a longer word. */
const distinctLength = 8;
/** The maximum number of forms of each kind. Renewed credentials and tokens replace the oldest ones. */
const mostForms = 500;

/** The forms of secrets in text, the newest last. Tokens have their own set, and so displace no credentials. */
const forms = { lasting: new Set<string>(), passing: new Set<string>() };

/**
 * Redacts secrets in all messages, logs and reports of this process from now on, in every form in which a server could
 * echo them: verbatim, escaped for JSON (once or twice), URLs, forms or HTML, and in Base64.
 */
export function keepSecret(...secrets: readonly string[]): void {
  keep(forms.lasting, secrets.flatMap(formsOf));
}

/** Redacts a short-lived token. Tokens contain no character that needs escaping. */
export function keepToken(token: string): void {
  keep(forms.passing, [token, ...base64Of(token)]);
}

function keep(kept: Set<string>, more: readonly string[]): void {
  for (const form of more) {
    if (form.length < shortestSecret) continue;
    // Move it to the end.
    kept.delete(form);
    kept.add(form);
  }
  for (const form of kept) {
    if (kept.size <= mostForms) break;
    kept.delete(form);
  }
}

/** Redacts a password and its `Authorization: Basic` form. */
export function keepPassword(username: string, password: string): void {
  keepSecret(password, ...base64Of(`${username}:${password}`));
}

/** Forgets every secret. */
export function forgetSecrets(): void {
  forms.lasting.clear();
  forms.passing.clear();
}

/** Replaces every registered secret in the text. */
export function withoutSecrets(text: string): string {
  // Longest first: a secret may contain another.
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

/** Encodes text for a URL. A lone surrogate cannot be encoded, so it is replaced first. */
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

/** Encodes text in both Base64 alphabets, without the optional padding. */
function base64Of(text: string): string[] {
  const bytes = Buffer.from(text);
  return [bytes.toString('base64').replace(/={1,2}$/, ''), bytes.toString('base64url')];
}
