import { randomUUID } from 'node:crypto';

/** The response of a handler; `body` is sent as JSON. */
export interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

export class ApiError extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`answers ${answer.status}`);
    this.answer = answer;
  }
}

export function success(data: unknown): Answer {
  return { status: 200, body: { status: 'SUCCESS', data, metaData: null, correlationId: randomUUID() } };
}

/** The shape of the services' own errors. */
export function error(status: number, code: string, message: string, more: Record<string, unknown> = {}): ApiError {
  const body = {
    status: 'ERROR',
    code,
    message,
    correlationId: randomUUID(),
    detailedMessage: null,
    responseMessages: [],
    metadata: null,
  };
  return new ApiError({ status, body: { ...body, ...more } });
}

/** The services' error for a request that contradicts what is stored. */
export function invalid(message: string): ApiError {
  return error(400, 'INVALID_REQUEST', message);
}

/** The services' error for an object that exists already. Some services send the general code. */
export function duplicate(message: string): ApiError {
  return error(400, 'DUPLICATE_FIELD', message);
}

/** The services' error for deleting what another object names. */
export function referenced(kind: string, identifier: string, by: string): ApiError {
  const message = `Could not delete the ${kind} ${identifier} as it is referenced by ${by}`;
  return error(400, 'ENTITY_REFERENCE_EXCEPTION', message);
}

/** The services' error for an object that does not exist, under one of its two codes. */
export function notFound(code: 'RESOURCE_NOT_FOUND_EXCEPTION' | 'ENTITY_NOT_FOUND', message: string): ApiError {
  return error(code === 'ENTITY_NOT_FOUND' ? 404 : 400, code, message);
}

/** The shape of bean validation: a parameter or property that must be there and is not. */
export function violation(fieldId: string, reason = 'must not be null'): ApiError {
  const message = `${fieldId}: ${reason}`;
  const errors = [{ fieldId, error: reason }];
  return new ApiError({
    status: 400,
    body: { status: 'FAILURE', code: 'INVALID_REQUEST', message, correlationId: randomUUID(), errors },
  });
}

/** The shape of the framework below (Dropwizard): routing, enums, JSON that does not fit. */
export function frameworkError(code: number, message: string, details?: string): ApiError {
  return new ApiError({ status: code, body: { code, message, ...(details !== undefined && { details }) } });
}

/** Returns the service's own BadRequestException: a 500 without a reason, although documented as 400. */
export function badRequest(status: 400 | 500, message: string): ApiError {
  if (status === 400) return invalid(message);
  return error(500, 'UNKNOWN_ERROR', 'Oops, something went wrong on our end. Please contact Harness Support.');
}
