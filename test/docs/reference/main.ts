import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiPage, apiPath } from './api.ts';
import { eventsPage, eventsPath } from './events.ts';
import { referencePage, referencePath } from './page.ts';
import { securityPage, securityPath } from './security.ts';
import { withWorkflow, workflowPath } from './workflow.ts';

const at = (path: string) => join(import.meta.dirname, '../../..', path);
writeFileSync(at(apiPath), await apiPage());
writeFileSync(at(referencePath), await referencePage());
writeFileSync(at(eventsPath), await eventsPage(readFileSync(at(eventsPath), 'utf8')));
writeFileSync(at(workflowPath), withWorkflow(readFileSync(at(workflowPath), 'utf8')));
writeFileSync(at(securityPath), await securityPage(readFileSync(at(securityPath), 'utf8')));
