/** The five types of error, as logs, metrics, the API and the error policy name them. */
export type ErrorType = "network" | "authentication" | "timeout" | "protocol" | "application";
