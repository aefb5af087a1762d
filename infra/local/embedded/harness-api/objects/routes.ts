import { createConnector, deleteConnector, getConnector, updateConnector } from '../connectors.ts';
import type { ApiRequest } from '../request.ts';
import type { Answer } from '../responses.ts';
import { createSecret, deleteSecret, getSecret, updateSecret } from '../secrets.ts';
import { createInputSet, deleteInputSet, getInputSet, updateInputSet } from './input-sets.ts';
import { createPipeline, deletePipeline, getPipeline, updatePipeline } from './pipelines.ts';
import { createTemplate, deleteTemplate, getTemplate, updateTemplate } from './templates.ts';
import { createTrigger, deleteTrigger, getTrigger, updateTrigger } from './triggers.ts';

type Handler = (request: ApiRequest) => Answer;
type Handlers = Record<string, Handler>;

const id = '([\\w$-]+)';
const label = '([^/]+)';

/** Handlers by method, for each pattern of a path below the gateway. The first pattern that matches counts. */
const routes: readonly [pattern: RegExp, handlers: (...parts: [string, string]) => Handlers][] = [
  [path('ng/api/connectors'), () => ({ POST: createConnector, PUT: updateConnector })],
  [
    path(`ng/api/connectors/${id}`),
    (name) => ({ GET: (request) => getConnector(name, request), DELETE: (request) => deleteConnector(name, request) }),
  ],
  [path('ng/api/v2/secrets'), () => ({ POST: createSecret })],
  [
    path(`ng/api/v2/secrets/${id}`),
    (name) => ({
      GET: (request) => getSecret(name, request),
      PUT: (request) => updateSecret(name, request),
      DELETE: (request) => deleteSecret(name, request),
    }),
  ],
  [path('pipeline/api/pipelines/v2'), () => ({ POST: createPipeline })],
  [path(`pipeline/api/pipelines/v2/${id}`), (name) => ({ PUT: (request) => updatePipeline(name, request) })],
  [
    path(`pipeline/api/pipelines/${id}`),
    (name) => ({ GET: (request) => getPipeline(name, request), DELETE: (request) => deletePipeline(name, request) }),
  ],
  [path('pipeline/api/inputSets'), () => ({ POST: createInputSet })],
  [
    path(`pipeline/api/inputSets/${id}`),
    (name) => ({
      GET: (request) => getInputSet(name, request),
      PUT: (request) => updateInputSet(name, request),
      DELETE: (request) => deleteInputSet(name, request),
    }),
  ],
  [path('pipeline/api/triggers'), () => ({ POST: createTrigger })],
  [
    path(`pipeline/api/triggers/${id}`),
    (name) => ({
      GET: (request) => getTrigger(name, request),
      PUT: (request) => updateTrigger(name, request),
      DELETE: (request) => deleteTrigger(name, request),
    }),
  ],
  [path('template/api/templates'), () => ({ POST: createTemplate })],
  [path(`template/api/templates/${id}`), (name) => ({ GET: (request) => getTemplate(name, request) })],
  [
    path(`template/api/templates/update/${id}/${label}`),
    (name, version) => ({ PUT: (request) => updateTemplate(name, version, request) }),
  ],
  [
    path(`template/api/templates/${id}/${label}`),
    (name, version) => ({ DELETE: (request) => deleteTemplate(name, version, request) }),
  ],
];

function path(pattern: string): RegExp {
  return new RegExp(`^/gateway/${pattern}$`);
}

/** Returns the handlers of a path of objects by method; `undefined` when it is another path. */
export function objectHandlers(requested: string): Handlers | undefined {
  for (const [pattern, handlers] of routes) {
    const [found, first = '', second = ''] = pattern.exec(requested) ?? [];
    if (found !== undefined) return handlers(decodeURIComponent(first), decodeURIComponent(second));
  }
  return undefined;
}

/** Returns the content types that a path takes. Triggers declare both, and take YAML under either. */
export function contentTypes(requested: string): RegExp {
  if (requested.startsWith('/gateway/pipeline/api/triggers')) return /^application\/(?:json|yaml)\b/i;
  return /^\/gateway\/(?:pipeline|template)\/api\//.test(requested) ? /^application\/yaml\b/i : /^application\/json\b/i;
}
