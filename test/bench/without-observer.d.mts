/** Throws where the build is another one than the hook knows: then nothing would be taken out, and nothing measured. */
export declare function assertTakenOut(): void;
