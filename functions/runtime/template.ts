/** A state machine or function of the user, which replaces a stage of the workflow. */
export interface Template {
  /**
   * Calls the template. `name` identifies the call: a repeated call returns the output of the first one. Returns
   * `running` while there is no output, and when the service is throttled or unreachable: then call again.
   *
   * @throws {FactoryError} `TemplateFailed`
   */
  call(name: string, input: unknown, signal?: AbortSignal): Promise<TemplateResult>;
}

export type TemplateResult = { running: true } | { output: unknown };
