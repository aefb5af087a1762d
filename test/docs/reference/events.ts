import { format } from 'prettier';
import * as z from 'zod';
import { outcomeDetail } from '../../../functions/state/outcome-event.ts';

/** Path of the page in the repository. */
export const eventsPath = 'docs/events.md';

/** Returns the JSON Schema of the detail. It allows further keys, because later releases may add some. */
function outcomeSchema() {
  return z.toJSONSchema(outcomeDetail, {
    io: 'input',
    override({ jsonSchema }) {
      // `format` and `type` say it in a word.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
}

/** Returns the page of events with the schema of their detail at its end. */
export async function eventsPage(page: string): Promise<string> {
  const [text = ''] = page.split('<!-- schema -->');
  const schema = JSON.stringify(outcomeSchema(), null, 2);
  return format(`${text}<!-- schema -->\n\n\`\`\`json\n${schema}\n\`\`\`\n`, {
    parser: 'markdown',
    printWidth: 120,
    singleQuote: true,
  });
}
