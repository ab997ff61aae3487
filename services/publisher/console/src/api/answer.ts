/** The result of a request to the publisher: a value or a refusal. */
export interface Refusal {
  readonly ok: false;
  /** Null: the publisher is unreachable. */
  readonly status: number | null;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly field?: string;
}

export type Answer<T> = { readonly ok: true; readonly value: T } | Refusal;
