/** What a request to the publisher gives: a value, or why not. */
export interface Refusal {
  readonly ok: false;
  /** Null: no answer at all. */
  readonly status: number | null;
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly field?: string;
}

export type Answer<T> = { readonly ok: true; readonly value: T } | Refusal;
