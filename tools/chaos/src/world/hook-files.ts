/** Environment variables that give the lab's hook (lab-hook.ts) its files; a part without a file is off. */
export const CLOCK_FILE = "LAB_CLOCK";
export const VITALS_FILE = "LAB_VITALS";
