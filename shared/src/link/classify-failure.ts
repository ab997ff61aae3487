/** The tutorial's five error types (S2). */
export type ErrorType = "network" | "authentication" | "timeout" | "protocol" | "application";
