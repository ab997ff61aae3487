/** Names by which the lab's hook (lab-hook.ts) finds its files; what is not set is left alone. */
export const CLOCK_FILE = "LAB_CLOCK";
export const VITALS_FILE = "LAB_VITALS";
