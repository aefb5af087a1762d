/** The names of the executions that the webhook starts begin with this. */
export const webhookRunPrefix = 'webhook-';
