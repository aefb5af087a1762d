import { html as template } from 'htm/preact';
import type { ComponentChild, VNode } from 'preact';

export type Html = VNode | VNode[];
/** Everything that may be put into a template: text is escaped, and nothing is drawn for `false` and `undefined`. */
export type Child = ComponentChild | readonly Child[];

/** Makes nodes of a template. Values are children or attribute values, and are escaped. */
export const html: (strings: TemplateStringsArray, ...values: unknown[]) => Html = template;
