export interface Job {
  readonly name: string;
  readonly files: readonly string[];
}

export interface JobOptions {
  readonly root: string;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export interface JobResult extends Job {
  readonly passed: boolean;
  readonly tests: readonly { readonly test: string; readonly outcome: string; readonly why: string }[];
  readonly output: string;
}

export function runJob(job: Job, options: JobOptions): Promise<JobResult>;
